"""The first act: an empty account becomes staging and production, as the settings describe them.

It uses an account of its own, whose databases are real servers, and migrates by tasks in the account's network. The
other acts neither need nor see this account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from slipway.environment.bootstrap import AccountSetup
from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.joint import joint_deployment
from slipway.records.bootstrap import Bootstrap, Result
from slipway.records.gate import MAJORS
from slipway.records.image import Image
from slipway.records.joint import JointOutcome
from slipway.records.outcome import Outcome
from slipway.records.progress import Event
from slipway.records.rehearsal import Act
from slipway.rehearsal.scene import RunningAct, Scene, summary
from slipway.rehearsal.stage import ENVIRONMENTS, REGION, STAND_IN, Candidate, SimulatedAccount
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.access import ids_of
from slipway.release.bootstrap.network import task_subnets
from slipway.release.bootstrap.server import server_name
from slipway.release.bootstrap.template import CALLER
from slipway.release.engine.target import Time
from slipway.settings import Environment as AnyEnvironment
from slipway.settings import (
    ExpressEnvironment,
    ManagedDatabase,
    ManagedNetwork,
    Nat,
    Settings,
    TargetKind,
    variable_of,
)
from slipway.simulator.clock import Clock

C = TypeVar("C", bound=Candidate)
_NETWORKS = {
    "staging": ManagedNetwork(managed=True, cidr="10.10.0.0/16"),
    "production": ManagedNetwork(managed=True, cidr="10.20.0.0/16", private=True, nat=Nat.ONE),
}


async def from_nothing(scene: Scene[C]) -> Act | None:
    """Play act 0: create networks, databases and roles for both environments, deploy two services, and find and undo one manual change.

    The second service is the same source under another name. The first one calls it in production.
    """
    account = scene.stage.account
    # A managed database gives a service its URL. A service with separate variables for the URL's parts, or one on App
    # Runner, must be prepared by hand.
    if account.target is not TargetKind.ECS_EXPRESS or {*account.settings.migrations.variables.values()} - {"{url}"}:
        return None
    act = scene.begin("0", "an empty account becomes staging and production")
    settings, secrets = made(account.settings)
    async with scene.stage.emptied(settings, secrets) as stage:
        empty = replace(scene, stage=stage)
        caller, callee = (_Service(empty, act, each) for each in (settings, called(settings)))
        return await _played(caller, callee, scene.story.before)


async def _played(caller: "_Service[C]", callee: "_Service[C]", release: C) -> Act:
    staging, production = ENVIRONMENTS
    for service, name in ((caller, staging), (caller, production), (callee, production)):
        applied = await service.applied(name, None, "network, server and secrets")
        if not applied.is_well:
            return caller.failed(applied)
    for service in (caller, callee):
        await service.fill_in()
    image, called_image = await caller.build(release), await callee.build(release)
    for service, name, built in (
        (caller, staging, image),
        (caller, production, image),
        (callee, production, called_image),
    ):
        applied = await service.applied(name, built, "database and roles")
        if not applied.is_well or not applied.database or applied.database.result is not Result.APPLIED:
            return caller.failed(applied)
    outcome = await caller.deployed(staging, image)
    if outcome.status.exit_code:
        return caller.scene.of_outcome(caller.act, outcome, summary(outcome), passed=False)
    joint = await caller.released(production, {caller: image, callee: called_image})
    if joint.exit_code:
        fates = tuple(f"{part.service}: {part.fate.value} {part.why}" for part in joint.parts)
        return caller.act.ended("not both services are live", passed=False, details=fates)
    await caller.asked(staging)
    if not await caller.calls(production, callee):
        return caller.act.ended("the caller lacks the address", passed=False)
    return await caller.drifted(production, image)


def called(settings: Settings) -> Settings:
    """Return the settings of the called service: the same as in production, under another name."""
    name, production = f"{settings.name}-called", ENVIRONMENTS[-1]
    env = settings.environments[production]
    assert isinstance(env, ExpressEnvironment)
    service = f"{settings.service_name(production)[:33]}-called"
    own = replace(
        env,
        service=service,
        access_role=_role(env.account, f"{service}-access"),
        infrastructure_role=_role(env.account, f"{service}-infrastructure"),
    )
    return replace(settings, name=name, calls=(), environments={production: own})


def made(settings: Settings) -> tuple[Settings, Mapping[str, str]]:
    """Return settings by which bootstrap creates everything in both environments, and the values of the service's other secrets by ARN."""
    environments: dict[str, AnyEnvironment] = {}
    values: dict[str, str] = {}
    for name in ENVIRONMENTS:
        env = settings.environments[name]
        assert isinstance(env, ExpressEnvironment)
        service = settings.service_name(name)
        of_database = {*settings.migrations.url_variables, *settings.migrations.part_variables}
        secrets = {key: arn for key, arn in env.secrets.items() if key not in of_database}
        values |= dict.fromkeys(secrets.values(), STAND_IN)
        environments[name] = replace(
            env,
            network=_NETWORKS[name],
            database=ManagedDatabase(managed=True),
            secrets=secrets,
            access_role=_role(env.account, f"{service}-access"),
            infrastructure_role=_role(env.account, f"{service}-infrastructure"),
            instance_role=None,
            migration=None,
        )
    migrations = settings.migrations
    if migrations.major not in MAJORS:
        migrations = replace(migrations, postgres=str(MAJORS[-1]))
    calls = (f"{settings.name}-called",)
    return replace(settings, environments=environments, migrations=migrations, github=None, calls=calls), values


def _role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


@dataclass(eq=False)
class _Service(Generic[C]):
    """A service of the act.

    Its settings get the values that bootstrap prints, as a person would write them into pyproject.toml.
    """

    scene: Scene[C]
    act: RunningAct
    settings: Settings

    async def applied(self, name: str, image: Image | None, what: str) -> Bootstrap:
        whose = f"{self.settings.service_name(name)}"
        with self.act.step(f"making {what} of {whose}") as step, self._clock.held():
            began = self._clock.now()
            setup = self._setup(name, image)
            applied = await setup.apply(_untold, approved=await setup.propose(_untold))
            changes = [change for stack in applied.stacks for change in stack.changes]
            roles = applied.database.differences if applied.database else ()
            step.what = f"made {what} of {whose}: {len(changes)} resources, {len(roles)} roles and privileges"
            step.platform_seconds = (self._clock.now() - began).total_seconds()
        return applied

    async def fill_in(self) -> None:
        """Write subnets and security group into the settings."""
        environments = dict(self.settings.environments)
        for name in self.settings.environments:
            env, network = environments[name], _NETWORKS[name]
            assert isinstance(env, ExpressEnvironment)
            setup = self._setup(name, None)
            with self._clock.held():
                ids = {
                    key: each
                    for stack in await setup.stacks()
                    for key, each in (await ids_of(setup.aws, stack.name)).items()
                }
            subnets, groups = tuple(ids[subnet] for subnet in task_subnets(network)), (ids[CALLER],)
            environments[name] = replace(env, subnets=subnets, security_groups=groups)
        self.settings = replace(self.settings, environments=environments)

    async def build(self, release: C) -> Image:
        with self.act.step(f"building {self.settings.name}") as step:
            image = await self.scene.stage.build(release, self.settings)
            step.what = f"built {self.settings.name} from commit {release.revision[:12]}"
        return image

    async def released(self, name: str, images: "Mapping[_Service[C], Image]") -> JointOutcome:
        """Deploy several services as one release, which gives this service the addresses of those that it calls."""
        services = {each.settings.name: each for each in images}

        async def environment(settings: Settings) -> Environment:
            return services[settings.name].environment(name)

        references = [f"{each.settings.repository(name)}@{image.digest}" for each, image in images.items()]
        folders = {each: service.settings for each, service in services.items()}
        with self.act.step(f"deploying {' and '.join(services)} to {name}") as step, self._clock.held():
            began = self._clock.now()
            outcome = await (await joint_deployment(folders, name, references, environment)).run(_untold)
            fates = ", ".join(f"{part.service} {part.fate.value}" for part in outcome.parts)
            step.what = f"{name}: {fates}, in the order of their calls"
            step.platform_seconds = (self._clock.now() - began).total_seconds()
        return outcome

    async def deployed(self, name: str, image: Image) -> Outcome:
        words = f"deploying to {name}", name
        return await self.scene.changed(self.act, words, partial(self.environment(name).deploy, image.digest))

    async def asked(self, name: str) -> None:
        with self.act.step(f"requesting {name}") as step:
            paths = await self.environment(name).smoke()
            step.what = f"{self.settings.service_name(name)} answers {', '.join(paths) or 'connections'}"

    async def calls(self, name: str, callee: "_Service[C]") -> bool:
        """Return whether the live release has another service's address.

        Both are private, so clients outside cannot reach them.
        """
        variable = variable_of(callee.settings.name)
        with self.act.step(f"looking for {variable} in {name}") as step:
            address = (await self.environment(name).status()).fields.get(f"variable {variable}", "")
            step.what = f"{self.settings.service_name(name)} has {'an' if address else 'no'} address in {variable}"
        return bool(address)

    async def drifted(self, name: str, image: Image) -> Act:
        """Remove the protection of a database, as a person may do in the console. Find this as drift, and restore it."""
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
        happened = f"two services serve, each from its own database; {len(differences)} change by hand found and undone"
        return self.act.ended(happened, passed=passed)

    def failed(self, applied: Bootstrap) -> Act:
        reasons = [f"{each.name}: {each.reason}" for stack in applied.stacks for each in stack.failures]
        reasons += [applied.database.reason] if applied.database and applied.database.reason else []
        happened = f"{applied.environment} could not be made"
        return self.act.ended(happened, passed=False, details=tuple(reasons))

    def _setup(self, name: str, image: Image | None) -> AccountSetup:
        digest = image.digest if image else None
        return AccountSetup(
            settings=self.settings,
            environment=name,
            aws=Aws(REGION, self._account.cloud.url),
            time=self._time,
            digest=digest,
        )

    def environment(self, name: str) -> Environment:
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
    """Ignore an event of bootstrap, because each resource causes two."""
