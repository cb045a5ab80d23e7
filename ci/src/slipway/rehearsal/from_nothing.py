"""The act before all others: an account with nothing in it becomes staging and production, as the settings say.

It plays in an account of its own, whose databases are real servers, and migrates by tasks in its network. The other acts neither need nor
see it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from slipway.environment.bootstrap import AccountSetup
from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.records.bootstrap import Bootstrap, Result
from slipway.records.image import Image
from slipway.records.outcome import Outcome
from slipway.records.progress import Event
from slipway.records.rehearsal import Act
from slipway.rehearsal.scene import RunningAct, Scene, summary
from slipway.rehearsal.stage import ENVIRONMENTS, REGION, STAND_IN, Candidate, SimulatedAccount
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.access import Access
from slipway.release.bootstrap.network import task_subnets
from slipway.release.bootstrap.prices import MAJORS
from slipway.release.bootstrap.server import server_name
from slipway.release.bootstrap.template import CALLER
from slipway.release.engine.target import Time
from slipway.settings import Environment as AnyEnvironment
from slipway.settings import (
    ExpressEnvironment,
    MadeDatabase,
    MadeNetwork,
    MigrationRunner,
    Nat,
    RunnerKind,
    Settings,
    TargetKind,
)
from slipway.simulator.clock import Clock

C = TypeVar("C", bound=Candidate)
_NETWORKS = {
    "staging": MadeNetwork(made=True, cidr="10.10.0.0/16"),
    "production": MadeNetwork(made=True, cidr="10.20.0.0/16", private=True, nat=Nat.ONE),
}


async def from_nothing(scene: Scene[C]) -> Act | None:
    """Act 0: networks, databases and roles are made for both environments, a release is deployed, and one drift is found and mended."""
    account = scene.stage.account
    # A made database gives a service its URL; one that takes the parts apart, or App Runner, has to be prepared by hand.
    if account.target is not TargetKind.ECS_EXPRESS or account.settings.migrations.variables:
        return None
    act = RunningAct("0", "an empty account becomes staging and production", scene.progress)
    settings, secrets = made(account.settings)
    async with scene.stage.emptied(settings, secrets) as stage:
        ground = _Ground(replace(scene, stage=stage), act, settings)
        return await ground.played(scene.story.before)


def made(settings: Settings) -> tuple[Settings, Mapping[str, str]]:
    """Return settings by which bootstrap makes everything in both environments, and the values of the service's other secrets by ARN."""
    environments: dict[str, AnyEnvironment] = {}
    values: dict[str, str] = {}
    for name in ENVIRONMENTS:
        there = settings.environments[name]
        assert isinstance(there, ExpressEnvironment)
        service = settings.service_name(name)
        secrets = {key: arn for key, arn in there.secrets.items() if key != settings.migrations.database_variable}
        values |= dict.fromkeys(secrets.values(), STAND_IN)
        environments[name] = replace(
            there,
            network=_NETWORKS[name],
            database=MadeDatabase(made=True),
            secrets=secrets,
            access_role=_role(there.account, f"{service}-access"),
            infrastructure_role=_role(there.account, f"{service}-infrastructure"),
            instance_role=None,
            migration=None,
        )
    migrations = settings.migrations
    if migrations.major not in MAJORS:
        migrations = replace(migrations, postgres=str(MAJORS[-1]))
    return replace(settings, environments=environments, migrations=migrations, github=None), values


def _role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


@dataclass
class _Ground(Generic[C]):
    """The act in progress; its settings get what bootstrap prints, as a person writes it into pyproject.toml."""

    scene: Scene[C]
    act: RunningAct
    settings: Settings

    async def played(self, release: C) -> Act:
        for name in ENVIRONMENTS:
            applied = await self._applied(name, None, "the network, the server and the secrets")
            if not applied.is_well:
                return self._failed(applied)
        await self._fill_in()
        image = await self.scene.build(self.act, release)
        for name in ENVIRONMENTS:
            applied = await self._applied(name, image, "the database and its roles")
            if not applied.is_well or not applied.database or applied.database.result is not Result.APPLIED:
                return self._failed(applied)
            outcome = await self._deployed(name, image)
            if outcome.status.exit_code:
                return self.scene.of_outcome(self.act, outcome, summary(outcome), passed=False)
            if not _NETWORKS[
                name
            ].private:  # a private one is reached from its network only; ECS's health check is the evidence
                await self._asked(name)
        return await self._drifted("production", image)

    async def _applied(self, name: str, image: Image | None, what: str) -> Bootstrap:
        with self.act.step(f"making {what} of {name}") as step, self._clock.held():
            began = self._clock.now()
            setup = self._setup(name, image)
            applied = await setup.apply(_untold, approved=await setup.propose(_untold))
            changes = [change for stack in applied.stacks for change in stack.changes]
            roles = applied.database.differences if applied.database else ()
            step.what = f"made {what} of {name}: {len(changes)} resources, {len(roles)} roles and rights"
            step.platform_seconds = (self._clock.now() - began).total_seconds()
        return applied

    async def _fill_in(self) -> None:
        """Write subnets, security group and the runner of migrations into the settings."""
        environments = dict(self.settings.environments)
        for name in ENVIRONMENTS:
            there, network = environments[name], _NETWORKS[name]
            assert isinstance(there, ExpressEnvironment)
            setup = self._setup(name, None)
            with self._clock.held():
                ids = (await Access.of(setup.aws, setup.time, setup.settings, name, await setup.stacks())).ids
            subnets, groups = tuple(ids[subnet] for subnet in task_subnets(network)), (ids[CALLER],)
            migration = MigrationRunner(
                runner=RunnerKind.ECS_TASK,
                subnets=subnets,
                security_groups=groups,
                execution_role=_role(there.account, f"{self.settings.service_name(name)}-migration"),
                public_ip=not network.private,
            )
            environments[name] = replace(there, subnets=subnets, security_groups=groups, migration=migration)
        self.settings = replace(self.settings, environments=environments)

    async def _deployed(self, name: str, image: Image) -> Outcome:
        words = f"deploying to {name}", name
        return await self.scene.changed(self.act, words, partial(self._environment(name).deploy, image.digest))

    async def _asked(self, name: str) -> None:
        with self.act.step(f"requesting {name}") as step, self._inside():
            paths = await self._environment(name).smoke()
            step.what = f"{name} answers {', '.join(paths) or 'connections'}, from its own database"

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Ask as a task in the network does: nothing else reaches a private address."""
        platform = self._account.cloud.ecs.express.resources.platform
        with platform.peers.joined(os.getsid(0), frozenset({"sg-rehearsal"})):
            yield

    async def _drifted(self, name: str, image: Image) -> Act:
        """Take the protection of a database away as a person does in the console, find that, and restore it."""
        with self.act.step(f"looking for drift in {name}") as step, self._clock.held():
            setup = self._setup(name, image)
            identifier = server_name(name)
            change = {"DBInstanceIdentifier": identifier, "DeletionProtection": False}
            await setup.aws.call("rds", "modify_db_instance", **change)
            found = await setup.drift(_untold)
            differences = [each for stack in found.stacks for each in stack.differences]
            step.what = f"drift in {name}: {', '.join(f'{each.name}{each.path}' for each in differences) or 'none'}"
        with self.act.step(f"restoring {name}") as step, self._clock.held():
            await setup.apply(_untold, restores=True)
            mended = await setup.drift(_untold)
            step.what = f"restored {name}: {'no drift is left' if mended.is_clean else 'drift is left'}"
        named = [(each.path, each.expected, each.actual) for each in differences]
        passed = named == [("/DeletionProtection", "true", "false")] and not found.is_clean and mended.is_clean
        happened = f"both serve from databases of their own; {len(differences)} drift found and mended"
        return self.act.ended(happened, self.scene.stage.how, passed=passed)

    def _failed(self, applied: Bootstrap) -> Act:
        reasons = [f"{each.name}: {each.reason}" for stack in applied.stacks for each in stack.failures]
        reasons += [applied.database.reason] if applied.database and applied.database.reason else []
        happened = f"{applied.environment} could not be made"
        return self.act.ended(happened, self.scene.stage.how, passed=False, details=tuple(reasons))

    def _setup(self, name: str, image: Image | None) -> AccountSetup:
        digest = image.digest if image else None
        return AccountSetup(self.settings, name, Aws(REGION, self._account.cloud.url), self._time, digest)

    def _environment(self, name: str) -> Environment:
        return replace(self._account.environment(name), settings=self.settings, starts=False, time=self._time)

    @property
    def _account(self) -> SimulatedAccount:
        return self.scene.stage.account

    @property
    def _time(self) -> Time:
        return Time(self._clock.now, self._clock.rest)

    @property
    def _clock(self) -> Clock:
        return self._account.cloud.clock


def _untold(_event: Event) -> None:
    """Show no event of a bootstrap: there are two of each resource."""
