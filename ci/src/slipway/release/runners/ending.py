"""The outcome of a stopped task: its record in the log, or an error with the reason why there is none. Pure.

AWS's reasons and all lines of a log are untrusted text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.records.form import MARK, from_json
from slipway.records.migration import Migration, Standing
from slipway.records.refusal import Refusal
from slipway.release.aws.logs import creation_of
from slipway.release.runners.definition import TaskOrder
from slipway.untrusted import one_line

T = TypeVar("T")

_KILLED = 137
_AGAIN = "run the same command again; what was applied stays, and nothing is applied twice"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A stopped task.

    - lines: its log; None when the log cannot be read, for the reason in `unreadable`.
    - why: the reason that AWS reports for the container.
    """

    exit_code: int | None
    stop_code: str
    reason: str
    why: str = ""
    lines: tuple[str, ...] | None = ()
    unreadable: str = ""

    @property
    def answer(self) -> str | None:
        """The last line with the mark of an answer, without the mark; None without such a line."""
        marked = [line.removeprefix(MARK) for line in self.lines or () if line.startswith(MARK)]
        return marked[-1] if marked else None


_NETWORK = (
    "give the subnets a route to AWS: a NAT gateway, endpoints for ecr.api, ecr.dkr, s3, logs and secretsmanager or ssm, "
    "or public-ip = true in public subnets"
)
_TIMEOUT = r"time(?:d )?out|deadline exceeded|connection issue|RequestCanceled|no such host"
# Why a container never ran: AWS's words as users quote them [F], the cause, and the remedy. The first match is used.
_RULES = (
    (r"log group does not exist", "there is no log group {group}", "{create}"),
    (r"log stream|logger args|logging driver", "the log {group} cannot be written ({reason})", "allow the execution role logs:CreateLogStream and logs:PutLogEvents there"),
    (rf"(?:secret|ssm).*(?:{_TIMEOUT})", "ECS does not reach the secrets from these subnets ({reason})", _NETWORK),
    (r"marked for deletion", "a secret of the {noun} is scheduled for deletion", "`aws secretsmanager restore-secret --secret-id {secret}` restores it; or name another one in secrets of {table}]"),
    (r"(?:secret|ssm).*(?:can't find|ResourceNotFound|invalid ssm parameters|did not contain|doesn't contain)", "ECS cannot find a secret of the {noun} ({reason})", "correct its ARN in secrets of {table}]; for one that bootstrap made run `slipway bootstrap --environment {environment} --drift`"),
    (r"unable to retrieve secrets?|failed to fetch secret", "ECS cannot read the secrets of the {noun} ({reason})", "allow the execution role secretsmanager:GetSecretValue, ssm:GetParameters and kms:Decrypt on them"),
    (r"CannotPullContainerError.*(?:not found|manifest unknown)", "ECS finds no image {image}", "push it first; `dagger call publish` prints the digest"),
    (rf"(?:CannotPull|registry auth).*(?:{_TIMEOUT})", "ECS does not reach the image from these subnets ({reason})", _NETWORK),
    (r"CannotPull|registry auth", "ECS cannot pull the image ({reason})", "allow the execution role ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer"),
    (r'"?python"?: executable file not found', "the image has no python on its PATH", "set PATH in the image to where the service's own Python is"),
    (r"assume (?:the )?role|unable to assume", "ECS cannot use a role of the task ({reason})", "allow ecs-tasks.amazonaws.com to assume it, in its trust policy"),
)  # fmt: skip


def migration_of(ended: Ended, order: TaskOrder) -> Migration:
    """Return the migration that the task ran.

    Raise SlipwayError when it failed. A successful task without a readable record has reached the head.
    """
    if ended.exit_code != 0:
        raise why(ended, order)
    record = _read(Migration, ended)
    if isinstance(record, str):
        return Migration(
            before=(),
            after=(),
            applied=(),
            attempts=0,
            seconds=0.0,
            unseen=f"{record}; the task succeeded, so the database is at the release's head",
        )
    return _escaped(record)


def _escaped(record: Migration) -> Migration:
    before, after, applied = (tuple(map(one_line, each)) for each in (record.before, record.after, record.applied))
    return replace(
        record,
        before=before,
        after=after,
        applied=applied,
        baseline=one_line(record.baseline),
        unseen=one_line(record.unseen),
    )


def answer_of(kind: type[T], ended: Ended, order: TaskOrder) -> T:
    """Return the record that the task wrote; its texts are untrusted. Raise SlipwayError when the task failed."""
    if ended.exit_code != 0:
        raise why(ended, order)
    record = _read(kind, ended)
    if isinstance(record, str):
        raise RefusedError(
            f"the task succeeded, but {record}", f"allow the caller logs:FilterLogEvents on {order.log_group}"
        )
    return record


def standing_of(ended: Ended, order: TaskOrder) -> Standing:
    """Return the revisions that the task read. Raise SlipwayError when it failed."""
    record = answer_of(Standing, ended, order)
    names = (record.database, record.image, record.unknown, record.missing)
    return Standing(*(tuple(map(one_line, each)) for each in names))


def _read(kind: type[T], ended: Ended) -> T | str:
    """Return the record, or why it is missing."""
    if ended.lines is None:
        return f"its log cannot be read ({ended.unreadable})"
    if ended.answer is None:
        return "its log does not contain its answer"
    try:
        return from_json(kind, ended.answer, "the task's answer")
    except BadInputError as error:
        return one_line(str(error))


def why(ended: Ended, order: TaskOrder) -> SlipwayError:
    if ended.exit_code is None and ended.stop_code == "TaskFailedToStart":
        return _never_ran(ended, order)
    if ended.stop_code == "UserInitiated":
        return RefusedError(f"the task of the {order.noun} was stopped by a user ({one_line(ended.reason)})", _AGAIN)
    if refusal := _refusal(ended):
        return refusal
    if ended.exit_code == _KILLED or "OutOfMemory" in ended.why:
        reason_given = f" ({one_line(ended.why)})" if ended.why else ""
        return RefusedError(
            f"the container of the {order.noun} was killed with the exit code {ended.exit_code or _KILLED}{reason_given}",
            f"give it more memory than {order.runner.memory} MB in migration of [tool.slipway.environments.{order.environment}]",
        )
    if ended.exit_code is None:
        reason = one_line(f"{ended.stop_code}: {ended.reason}")
        return RefusedError(f"AWS stopped the task of the {order.noun} ({reason})", _AGAIN)
    return RefusedError(
        f"the {order.noun} ended with the exit code {ended.exit_code}: {_last_words(ended, order)}",
        f"read {order.log_group}, correct the revision, and deploy again",
    )


def _refusal(ended: Ended) -> SlipwayError | None:
    """Return the migration's own error, if it wrote one."""
    if ended.answer is None:
        return None
    try:
        refusal = from_json(Refusal, ended.answer, "the task's answer")
    except BadInputError:
        return None
    what, reason = one_line(refusal.where, 600), one_line(refusal.reason, 600)
    return replace(
        refusal,
        what=f"{what}: {reason}" if reason else what,
        next_step=one_line(refusal.next_step, 600),
        reason=reason,
        migration=_escaped(refusal.migration) if refusal.migration else None,
    ).error()


def _never_ran(ended: Ended, order: TaskOrder) -> SlipwayError:
    words: Mapping[str, Any] = {
        "group": order.log_group,
        "create": creation_of(order.log_group, order.environment),
        "image": order.image,
        "noun": order.noun,
        "environment": order.environment,
        "secret": one_line(next(iter(re.findall(r"fetch secret (\S+)", ended.reason)), "ARN")),
        "table": f"[tool.slipway.environments.{order.environment}",
        "reason": one_line(ended.reason, 400),
    }
    for pattern, what, next_step in _RULES:
        if re.search(pattern, ended.reason, re.IGNORECASE | re.DOTALL):
            return RefusedError(what.format(**words), next_step.format(**words))
    return RefusedError(
        f"the task of the {order.noun} did not start ({words['reason']})", "open the task in the console of ECS"
    )


def _last_words(ended: Ended, order: TaskOrder) -> str:
    if ended.lines is None:
        return f"its log {order.log_group} cannot be read ({ended.unreadable})"
    written = [line for line in ended.lines if line.strip()]
    return one_line(written[-1], 600) if written else f"it wrote nothing; its log is {order.log_group}"
