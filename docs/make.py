"""Write the reference pages from the code that they describe: `make pages`."""

import dataclasses
import re
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from slipway import settings
from slipway.release.bootstrap.roles import DEPLOY_ROLE, IMAGE_ROLE, PERMISSIONS, permissions_on
from slipway.release.failures import CAUSES, ENDS, NEVER_RAN, SILENCES, FailureRule
from slipway.release.permissions import Actions, granted
from slipway.release.targets.supported import TARGETS
from slipway.structure import constraints, kebab

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the tests load this file by its path

import commands_page  # noqa: E402
import docstrings  # noqa: E402 -- found there
import json_page  # noqa: E402
import provider_schemas  # noqa: E402
import record_schemas  # noqa: E402
import rule_pages  # noqa: E402
import simulator_tables  # noqa: E402

TABLES = (
    ("[tool.slipway]", settings.Settings),
    ("[tool.slipway.migrations]", settings.Migrations),
    ("[tool.slipway.environments.ENVIRONMENT]", settings.Environment),
    ("[tool.slipway.environments.ENVIRONMENT.network]", settings.Network),
    ("[tool.slipway.environments.ENVIRONMENT.network] with managed = true", settings.ManagedNetwork),
    ("[tool.slipway.environments.ENVIRONMENT.database]", settings.ManagedDatabase),
    ("[tool.slipway.environments.ENVIRONMENT.migration]", settings.MigrationRunner),
    ('[tool.slipway.environments.ENVIRONMENT] with target = "app-runner"', settings.AppRunnerEnvironment),
    ("[tool.slipway.environments.ENVIRONMENT.health-check]", settings.HealthPace),
    ("[tool.slipway.environments.ENVIRONMENT.scaling]", settings.Scaling),
    ("[tool.slipway.environments.ENVIRONMENT.move]", settings.Move),
    ('[tool.slipway.environments.ENVIRONMENT] with target = "ecs-express"', settings.ExpressEnvironment),
    ('[tool.slipway.environments.ENVIRONMENT.health-check] with target = "ecs-express"', settings.TargetGroupPace),
    ('[tool.slipway.environments.ENVIRONMENT.scaling] with target = "ecs-express"', settings.TaskScaling),
    ("[tool.slipway.github]", settings.Github),
    ("[tool.slipway.rehearsal]", settings.RehearsalCommits),
    ("[tool.slipway.checks]", settings.Checks),
    ("[tool.slipway.images]", settings.Images),
    ("[tool.slipway.build]", settings.BuildStep),
)
_PERMISSIONS = """\
`slipway permissions --environment ENVIRONMENT` prints the policy of an environment's deploy role
with the ARNs of your settings; with `--command` it prints the least that single commands need.
`slipway bootstrap` creates the roles: [how-to/bootstrap.md](how-to/bootstrap.md). A test runs each
command under exactly this policy; a missing action is named in the error.

`--command bootstrap` prints what a person needs for `bootstrap` in every form and for `destroy
--everything`, and `--command bootstrap-drift` what a nightly `bootstrap --drift` needs. Both follow
from the templates of your settings: CloudFormation makes and reads their resources with the
caller's permissions, and AWS's schema of each kind lists the actions. A test plays both, too. A
person who may make roles may give them any permission, so bootstrap's policy is as good as an
administrator's."""
_DIAGNOSIS = """
After a failed deployment or preflight, slipway compares the logs with these rules. Each was tested
on recorded logs (`tests/release/logs`). The result is one cause, the lines that prove it, and a
remedy, or that the cause is unknown. Only lines of the instances that this deployment started count, not those of the live
release. Values of variables and passwords in URLs are removed from the lines. Secrets that a release
itself writes to its log cannot be recognised, so only the text for a person shows lines. The ledger,
JSON, job summaries and outputs have the rule, the place of the evidence, and the cause with … for
the application's words.

The rules apply from top to bottom. A line that the application logs below an error, or before its
startup is complete, is no cause. Port and path are those that App Runner checked, which another tool
may have set. Without a matching rule the cause is unknown, and the last lines are shown. Without an
application log, a container that never started and one that is silent look the same: check the
port, and the image's architecture (linux/amd64), the VPC connector and the instance role."""
FAILURES = (
    ("Never started", "The platform reports that it could not start the release.", NEVER_RAN),
    (
        "Causes",
        "If several match, the one with the earliest line counts, because later failures follow from it.",
        CAUSES,
    ),
    ("Endings", "Known facts when the log names no cause.", ENDS),
    ("Health checks", "The health check fails, or the platform gives a reason of its own.", SILENCES),
)


def pages() -> dict[str, str]:
    """Return the text of every page, by its file below docs/."""
    schemas = {f"schemas/{record_schemas.file_of(kind)}": record_schemas.text(kind) for kind in record_schemas.kinds()}
    tables = {"settings.md": _settings(), "diagnosis.md": _diagnosis()}
    tables["../ci/src/slipway/simulator/README.md"] = simulator_tables.readme()
    tables["../ci/src/slipway/resource_kinds/kinds.json"] = provider_schemas.text()
    tables |= {"commands.md": commands_page.commands(), "json.md": json_page.page(), "permissions.md": _permissions()}
    return {**tables, **rule_pages.pages(), **schemas}


def _settings() -> str:
    parts = [
        "# Settings",
        """\
Facts about a service, in its own `pyproject.toml`. An unknown key or a wrong type is refused.
Secrets are named by ARN, never by value.""",
    ]
    for heading, kind in TABLES:
        parts += [f"## {heading}", "\n".join(_keys(kind))]
    return "\n\n".join(parts) + "\n"


def _keys(kind: type) -> Iterator[str]:
    """The keys of a table; those of a target's table are only its own."""
    said = docstrings.of_fields(kind, kebab)
    hints = typing.get_type_hints(kind, include_extras=True)
    yield "| key | what it is | allowed | default |\n| --- | --- | --- | --- |"
    for field in dataclasses.fields(kind):
        key = kebab(field.name)
        if field.name in kind.__annotations__ and (key in said or not dataclasses.is_dataclass(hints[field.name])):
            allowed = _allowed(hints[field.name])
            if key not in ("environments", "github", "build"):
                yield f"| `{key}` | {said.get(key, '')} | {allowed} | {_default(field)} |"


def _allowed(kind: Any) -> str:
    kind = next(filter(_is_enum, typing.get_args(kind)), kind)
    if _is_enum(kind):
        return " or ".join(f"`{each.value}`" for each in kind)
    return "; ".join(each.allowed for each in constraints(kind))


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _default(field: "dataclasses.Field[object]") -> str:
    default = field.default.value if isinstance(field.default, Enum) else field.default
    if default is not dataclasses.MISSING:
        return (
            "none"
            if default in (None, ()) or dataclasses.is_dataclass(default)
            else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        )
    return "none" if field.default_factory is not dataclasses.MISSING else "**required**"


def _diagnosis() -> str:
    parts = ["# Why a deployment failed", *map(_wrapped, _DIAGNOSIS.split("\n\n"))]
    for heading, words, rules in FAILURES:
        parts += [f"## {heading}", words, "\n".join(_failures(rules))]
    for kind, target in TARGETS.items():
        if rules := (*target.words.first, *target.words.last):
            words = "Before the causes in the application's log, and alarms after them."
            parts += [f"## On {kind.value} only", words, "\n".join(_failures(rules))]
    return "\n\n".join(parts) + "\n"


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(" ".join(paragraph.split()), 100, break_long_words=False, break_on_hyphens=False)


def _permissions() -> str:
    parts = ["# Permissions: what each command may do in AWS", _PERMISSIONS]
    for kind, target in TARGETS.items():
        verbs = {
            verb: granted(permissions_on(verb, kind), target.grants)
            for verb in PERMISSIONS
            if verb not in target.impossible_names
        }
        resources = sorted({each for actions in verbs.values() for each in actions}, key=lambda each: each.sid)
        where = (docstrings.wrapped(f"- **{resource.sid}**: {resource.what}.", "  ") for resource in resources)
        parts += [f"## On {kind.value}", "\n".join(_verbs(verbs)), f"### Resources of {kind.value}", "\n".join(where)]
    parts += ["## The two kinds of roles", "\n".join(_roles())]
    return "\n\n".join(parts) + "\n"


def _verbs(verbs: Mapping[str, Actions]) -> Iterator[str]:
    yield "| command | actions |\n| --- | --- |"
    for verb, actions in verbs.items():
        narrowed = (f"{kind.sid}: {', '.join(f'`{name}`' for name in names)}" for kind, names in actions.items())
        yield f"| {verb} | {'<br>'.join(narrowed)} |"


def _roles() -> Iterator[str]:
    yield docstrings.wrapped(f"- for jobs without a GitHub environment: {', '.join(IMAGE_ROLE)}", "  ")
    yield docstrings.wrapped(f"- for jobs of one environment: {', '.join(DEPLOY_ROLE)}", "  ")


def _failures(rules: tuple[FailureRule, ...]) -> Iterator[str]:
    yield "| rule | needs to see | cause | remedy |\n| --- | --- | --- | --- |"
    for rule in rules:
        where = f"{rule.words}, in the {rule.log}'s log"
        yield f"| {rule.id} | {where} | {_named(rule.cause)} | {_named(rule.remedy)} |"


def _named(text: str) -> str:
    """Write gaps as help does: {name} as NAME."""
    return re.sub(r"{(\w+)}", lambda gap: gap[1].upper().replace("_", "-"), text)


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
