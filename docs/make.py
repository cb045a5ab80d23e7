"""Writes the reference pages from the code that they describe: `python docs/make.py`. A test says when they disagree."""

import dataclasses
import re
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from slipway import settings
from slipway.release.diagnosis.cause import NEVER_STARTED
from slipway.release.diagnosis.rules import CAUSES, ENDS, NEVER_RAN, SILENCES
from slipway.release.diagnosis.rules import Rule as Failure
from slipway.release.targets.app_runner.permissions import DEPLOY_ROLE, IMAGE_ROLE, VERBS, Resource
from slipway.structure import kebab

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the tests load this file by its path

import docstrings  # noqa: E402 -- found there
import json_page  # noqa: E402
import record_schemas  # noqa: E402
import rule_pages  # noqa: E402
import simulator_tables  # noqa: E402

TABLES = (
    ("[tool.slipway]", settings.Settings),
    ("[tool.slipway.migrations]", settings.Migrations),
    ("[tool.slipway.environments.NAME]", settings.Environment),
    ("[tool.slipway.environments.NAME.network]", settings.Network),
    ("[tool.slipway.environments.NAME.scaling]", settings.Scaling),
    ("[tool.slipway.environments.NAME.migration]", settings.MigrationRunner),
    ("[tool.slipway.github]", settings.Github),
    ("[tool.slipway.rehearsal]", settings.Rehearsal),
    ("[tool.slipway.checks]", settings.Checks),
    ("[tool.slipway.images]", settings.Images),
)
_PERMISSIONS = """\
`slipway permissions --environment NAME` prints the policy of an environment's deploy role with the ARNs of your settings, and with `--verb` the least
that single verbs need. `slipway bootstrap` makes the roles: [how-to/bootstrap.md](how-to/bootstrap.md). Each verb that is built is played by a test under exactly this
policy, and fails with a sentence that names the action when one is missing."""
_ON = {
    Resource.ANY: "`*`, for AWS knows no resource for these",
    Resource.REPOSITORY: "the service's ECR repository",
    Resource.SERVICE: "the App Runner service, by its name",
    Resource.SERVICE_AND_PARTS: "the same, and its VPC connector and auto scaling configuration, which both calls name",
    Resource.OWN_ROLE: "App Runner's own role, which it makes at an account's first service by the caller's right",
    Resource.CONNECTORS: "its VPC connector",
    Resource.SCALINGS: "its auto scaling configuration",
    Resource.SERVICE_LOGS: "the log groups of the service",
    Resource.ROLES: "its access and its instance role",
    Resource.PASSED_ROLES: "the same, which may be given to App Runner and to nobody else",
    Resource.SECRETS: "the secrets that the settings name, each by ARN; that they are there, not what they say",
    Resource.DATABASE_SECRET: "the secret with the database's URL, where `migration.runner` is direct",
    Resource.DATABASE_PARAMETER: "the same where it is a parameter in SSM",
    Resource.ANY_TASK: "`*`, where a task migrates, for AWS knows no resource for these either",
    Resource.CLUSTER: "its cluster, which AWS has as the container instances in it",
    Resource.TASK_DEFINITION: "the definition of the task that migrates",
    Resource.TASKS: "the tasks in its cluster",
    Resource.TASK_LOGS: "its log group",
    Resource.TASK_ROLES: "its execution and task role, which may be given to ECS tasks and to nobody else",
}
_DIAGNOSIS = f"""\
When a deployment or a preflight has failed, its logs are held against these rules, each of which was tried on recorded logs (`tests/release/logs`). The
answer is one cause, the lines it rests on, and what to do. Only the lines of the instances that this deployment began count; those of the release that
is live do not. Values of variables and passwords in URLs are taken out of what is shown; what a release itself writes of its secrets cannot be told from other words.

Rules are asked from above. When there is no application log of the deployment, and the platform names no exit code, {NEVER_STARTED.cause.split(":", maxsplit=1)[0]}:
{NEVER_STARTED.remedy}. When no rule knows the cause, the last lines are shown."""
FAILURES = (
    ("What never ran", "The platform says itself that it could not begin.", NEVER_RAN),
    ("Causes", "Of several the one whose line comes first wins, for others follow from it.", CAUSES),
    ("How it ended", "What is known when the log names no cause.", ENDS),
    ("Silence", "The container runs, and the health check has no answer that is good.", SILENCES),
)


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    schemas = {f"schemas/{record_schemas.file_of(kind)}": record_schemas.text(kind) for kind in record_schemas.kinds()}
    tables = {"settings.md": _settings(), "diagnosis.md": _diagnosis()}
    tables["../ci/src/slipway/simulator/README.md"] = simulator_tables.readme()
    return {**tables, "permissions.md": _permissions(), "json.md": json_page.page(), **rule_pages.pages(), **schemas}


def _settings() -> str:
    parts = [
        "# Settings",
        "Facts about a service, in its own `pyproject.toml`. An unknown key or a wrong type is refused; secrets never stand here.",
    ]
    for heading, kind in TABLES:
        parts += [f"## {heading}", "\n".join(_keys(kind))]
    return "\n\n".join(parts) + "\n"


def _keys(kind: type) -> Iterator[str]:
    said = docstrings.of_fields(kind, kebab)
    hints = typing.get_type_hints(kind)
    yield "| key | what it is | default |\n| --- | --- | --- |"
    for field in dataclasses.fields(kind):
        key = kebab(field.name)
        if not dataclasses.is_dataclass(hints[field.name]) and key not in ("environments", "github"):
            yield f"| `{key}` | {said.get(key, '')} | {_default(field)} |"


def _default(field: "dataclasses.Field[object]") -> str:
    if field.default is not dataclasses.MISSING:
        return (
            "none"
            if field.default in (None, ())
            else f"`{field.default.value if isinstance(field.default, Enum) else field.default}`"
        )
    return "none" if field.default_factory is not dataclasses.MISSING else "**required**"


def _diagnosis() -> str:
    parts = ["# Why a deployment failed", _DIAGNOSIS]
    for heading, words, rules in FAILURES:
        parts += [f"## {heading}", words, "\n".join(_failures(rules))]
    return "\n\n".join(parts) + "\n"


def _permissions() -> str:
    parts = ["# What each verb may do in AWS", _PERMISSIONS]
    parts += ["\n".join(_verbs()), "## On what", "\n".join(f"- **{kind.value}**: {_ON[kind]}." for kind in Resource)]
    parts += ["## The two kinds of roles", "\n".join(_roles())]
    return "\n\n".join(parts) + "\n"


def _verbs() -> Iterator[str]:
    yield "| verb | actions |\n| --- | --- |"
    for verb, actions in VERBS.items():
        narrowed = (f"{kind.value}: {', '.join(f'`{action}`' for action in found)}" for kind, found in actions.items())
        yield f"| {verb} | {'<br>'.join(narrowed)} |"


def _roles() -> Iterator[str]:
    yield f"- for the jobs without an environment of GitHub's: {', '.join(IMAGE_ROLE)}"
    yield f"- for the jobs of one environment: {', '.join(DEPLOY_ROLE)}"


def _failures(rules: tuple[Failure, ...]) -> Iterator[str]:
    yield "| rule | needs to see | cause | remedy |\n| --- | --- | --- | --- |"
    for rule in rules:
        where = f"{rule.sees}, in the {rule.log}'s log"
        yield f"| {rule.id} | {where} | {_named(rule.cause)} | {_named(rule.remedy)} |"


def _named(text: str) -> str:
    """Gaps as a reader of help knows them: {name} as NAME."""
    return re.sub(r"{(\w+)}", lambda gap: gap[1].upper().replace("_", "-"), text)


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
