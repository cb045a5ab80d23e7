"""The settings on ECS Express Mode that correspond to a service on App Runner, and settings without a counterpart. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from slipway import toml
from slipway.records.migration import Readiness
from slipway.records.plan import Observed, State
from slipway.release.engine.plan import ABSENT, plan
from slipway.release.targets.app_runner.spec import INTERNET, spec_of
from slipway.settings import AppRunnerEnvironment, ExpressEnvironment, Settings, SettingsError, TargetKind, TaskScaling
from slipway.settings.app_runner import Ingress, IpAddresses, Left, default_scaling
from slipway.structure import MismatchError, kebab, write
from slipway.untrusted import one_line


def counterpart(settings: Settings, environment: str) -> Settings:
    """Return the same settings with the environment on ECS Express Mode.

    Raise SettingsError when the table `move` is missing or incomplete.
    """
    env = settings.environment(environment)
    table = f"[tool.slipway.environments.{environment}.move]"
    if not isinstance(env, AppRunnerEnvironment):
        raise SettingsError(f"{environment} is on {env.target.value} already", "nothing needs to be moved")
    if env.move is None:
        raise SettingsError(
            f"there is no {table}",
            "add it with access-role and infrastructure-role, the roles of the service on ECS, which `slipway bootstrap` makes",
        )
    shared = {name: getattr(env, name) for name in _SHARED}
    own = {name: value for name, value in vars(env.move).items() if name not in {"without", "scaling"}}
    try:
        moved = ExpressEnvironment(target=TargetKind.ECS_EXPRESS, **shared, **own, scaling=_scaling(env))
    except MismatchError as error:
        raise SettingsError(f"{table} {error.at}", error.problem) from error
    made = replace(settings, environments={**settings.environments, environment: moved})
    try:
        made.service_name(environment)
    except SettingsError as error:
        raise SettingsError(
            error.what, f"first deploy it on App Runner under a name that both accept: {error.next_step}"
        ) from error
    return made


def predecessor(settings: Settings, environment: str) -> Settings:
    """Return the settings with the environment on App Runner again, with enough fields to observe, pause, resume or delete its service."""
    env = settings.environment(environment)
    own = {name: getattr(env, name) for name in ("region", "account", "access_role", "service", "webhook")}
    before = AppRunnerEnvironment(target=TargetKind.APP_RUNNER, **own)
    return replace(settings, environments={**settings.environments, environment: before})


# The settings that both targets have. Fargate accepts every pair of cpu and memory that App Runner has.
_SHARED = (
    *("region", "account", "service", "cpu", "memory", "variables", "secrets", "unrecorded", "webhook"),
    *("network", "migration"),
)


def _scaling(env: AppRunnerEnvironment) -> TaskScaling:
    """Return the number of tasks: by default as many as App Runner has instances."""
    assert env.move is not None
    if env.move.scaling or env.scaling is None:
        return env.move.scaling or TaskScaling()
    return TaskScaling(least=env.scaling.least, most=env.scaling.most)


def obstacles(settings: Settings, environment: str, live: Observed, heads: Readiness | None) -> tuple[str, ...]:
    """Return why a live service cannot be moved.

    `heads` are those of its image and its database; None when it does not report them.
    """
    if live.state is not State.LIVE or live.digest is None:
        found = live.status or "absent"
        return (f"the service is {found}, and what is moved is the image of a live one that was deployed by digest",)
    return (*_unsettled(settings, environment, live, heads), *_without_counterpart(settings, environment, live))


def _unsettled(settings: Settings, environment: str, live: Observed, heads: Readiness | None) -> Iterator[str]:
    """Yield the differences that must be deployed or migrated before the move."""
    assert live.digest is not None
    drift = [change.name for change in plan(spec_of(settings, environment, live.digest), live).changes]
    if drift:
        yield f"the live service differs from the settings in {', '.join(drift)}; deploy it first"
    if heads and heads.database is not None and heads.image is not None and set(heads.image) != set(heads.database):
        image, database = (", ".join(each) or "empty" for each in (heads.image, heads.database))
        yield f"its database is at {one_line(database)} and its image at {one_line(image)}; a move does not migrate"


def _without_counterpart(settings: Settings, environment: str, live: Observed) -> Iterator[str]:
    env = settings.environment(environment)
    assert isinstance(env, AppRunnerEnvironment)
    assert env.move is not None
    left, found, move = env.move.without, live.fields, env.move
    if settings.health_path is None:
        yield "it is checked by TCP, and a load balancer asks for a path; set health-path and deploy it"
    if (command := found.get("start command", ABSENT)) != ABSENT:
        yield f"its start command {one_line(command)} is not the image's own; put it into the image, or into a new service"
    if found.get("ingress") == Ingress.PRIVATE.value:
        yield "its ingress is private, and only a VPC ingress connection leads to it"
    if found.get("IP addresses") == IpAddresses.DUAL_STACK.value:
        yield "it has IPv6 addresses, and the load balancer has none; set ip-addresses to ipv4 and deploy it"
    if (egress := found.get("egress", INTERNET)) != INTERNET and not move.subnets:
        yield f"it reaches a VPC through {one_line(egress)}; name public subnets of that VPC, and security groups, in move"
    if env.instance_role and not move.instance_role:
        yield "it has an instance role, which trusts App Runner; name one in move.instance-role that trusts ECS tasks"
    usual = default_scaling(env.region, env.account)
    if found.get("auto scaling", usual) != usual and env.scaling is None and move.scaling is None:
        yield "it has an auto scaling configuration of its own; say in move.scaling how many tasks run"
    for part, value in _optional(env, found).items():
        if value != ABSENT and part not in left:
            yield f"there is no counterpart of its {part.value} ({one_line(value)}); name it in move.without to leave it behind"


def _optional(env: AppRunnerEnvironment, found: Mapping[str, str]) -> dict[Left, str]:
    """Return the live values of the parts that a service may leave behind."""
    return {
        Left.TRACING: found.get("tracing", ABSENT),
        Left.KMS_KEY: found.get("KMS key", ABSENT),
        Left.TAGS: ", ".join(sorted(env.tags)) or ABSENT,
    }


def keys_after(moved: Settings, environment: str) -> str:
    """Return the lines for the environment's table after the move. They replace those of `move` and of App Runner."""
    env = moved.environment(environment)
    usual = {each.name: each.default for each in fields(ExpressEnvironment)}
    own = {name: value for name, value in vars(env).items() if name not in _SHARED and value != usual[name]}
    shown = {kebab(name): write(value, kebab) for name, value in own.items()}
    return "\n".join(f"{key} = {toml.written(value)}" for key, value in shown.items())


def carried(then: Settings, now: Settings, environment: str) -> Settings:
    """Return the settings `now` of this side with the variables and secrets of a release `then` from the other side of a move."""
    before, present = then.environment(environment), now.environment(environment)
    own = {name: getattr(before, name) for name in ("variables", "secrets", "unrecorded")}
    try:
        return replace(then, environments={environment: replace(present, **own)})
    except MismatchError as error:
        raise SettingsError(f"the release's settings: {error.at}", error.problem) from error
