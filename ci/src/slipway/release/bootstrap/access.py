"""A task in the VPC that reads or creates the roles and the database of a service on bootstrap's server.

Only the VPC can reach the server. The task runs the service's own image, which contains a driver for Postgres: an
isolated subnet cannot reach another registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from slipway.records.access import ServerAccess
from slipway.records.progress import Tell
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.change_set import or_no_stack, resources_of
from slipway.release.bootstrap.network import task_subnets
from slipway.release.bootstrap.server import ACCESS_ROLE, MAIN_USER, database_name, owner_name
from slipway.release.bootstrap.template import CALLER
from slipway.release.engine.target import Time
from slipway.release.runners.access import AccessOrder, access_log
from slipway.release.runners.ecs_task import EcsTask
from slipway.settings import ManagedNetwork, MigrationRunner, RunnerKind, Settings

# The variables that `slipway.migration.access` reads, by a secret in the template and the key in its JSON. A test
# compares both modules.
_SECRETS = {
    "SLIPWAY_MAIN_PASSWORD": ("MainUser", "password"),
    "SLIPWAY_OWNER_URL": ("OwnerUrl", ""),
    "SLIPWAY_OWNER_PASSWORD": ("OwnerUser", "password"),
    "SLIPWAY_APPLICATION_URL": ("ApplicationUrl", ""),
    "SLIPWAY_APPLICATION_PASSWORD": ("ApplicationUser", "password"),
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """The task for one environment. `ids` has the ids of the resources in its stacks, by their names in the templates."""

    aws: Aws
    time: Time
    settings: Settings
    environment: str
    ids: Mapping[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The resources that the task needs and that do not exist yet."""
        needed = (*(name for name, _ in _SECRETS.values()), ACCESS_ROLE, CALLER, *self._subnets)
        return tuple(name for name in needed if name not in self.ids)

    async def run(self, digest: str, tell: Tell, *, makes: bool) -> ServerAccess:
        """Return the differences on the server; with `makes`, remove them. Raise SlipwayError when the task fails."""
        return await EcsTask(aws=self.aws, time=self.time, order=self._order(digest, only_reads=not makes)).access(tell)

    @property
    def _network(self) -> ManagedNetwork:
        network = self.settings.environment(self.environment).network
        assert isinstance(network, ManagedNetwork)
        return network

    @property
    def _subnets(self) -> tuple[str, str]:
        return task_subnets(self._network)

    def _order(self, digest: str, *, only_reads: bool) -> AccessOrder:
        settings, environment = self.settings, self.environment
        env, service = settings.environment(environment), settings.service_name(environment)
        task = MigrationRunner(
            runner=RunnerKind.ECS_TASK,
            cluster=env.migration.cluster if env.migration else "default",
            subnets=tuple(self.ids[name] for name in self._subnets),
            security_groups=(self.ids[CALLER],),
            execution_role=f"arn:{env.partition}:iam::{env.account}:role/{self.ids[ACCESS_ROLE]}",
            public_ip=not self._network.private,
            log_group=access_log(service),
        )
        arguments = {
            "main": MAIN_USER,
            "owner": owner_name(settings.name),
            "application": database_name(settings.name),
            "database": database_name(settings.name),
            "owner-secret": settings.database_secret(environment, owner=True),
            "application-secret": settings.database_secret(environment, owner=False),
        }
        references = {
            variable: f"{self.ids[name]}:{key}::" if key else self.ids[name]
            for variable, (name, key) in _SECRETS.items()
        }
        return AccessOrder(
            settings=settings,
            environment=environment,
            digest=digest,
            only_reads=only_reads,
            task=task,
            references=references,
            arguments=tuple(f"--{name}={value}" for name, value in arguments.items()),
        )


async def ids_of(aws: Aws, stack: str) -> dict[str, str]:
    """Return the ids of a stack's resources, by their names in the template; none when the stack does not exist."""
    held = await or_no_stack(resources_of(aws, stack)) or ()
    ids = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in held}
    return {name: identifier for name, identifier in ids.items() if identifier}
