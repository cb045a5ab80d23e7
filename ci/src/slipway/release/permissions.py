"""IAM policies of verbs: which rights each verb needs, narrowed to the resources of one environment.

The policies of all roles are made from this table, and a test plays every verb under exactly its policy.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from slipway.errors import BadInputError
from slipway.release.rights import Policy, Right, Scope, document, granted
from slipway.release.targets.registry import target_of
from slipway.settings import Settings

_CHANGE = (Right.OBSERVE, Right.READ_OWNER, Right.WRITE_LEDGER, Right.FOLLOW)
_RELEASE = (*_CHANGE, Right.READ_LOGS, Right.INSPECT, Right.UPDATE_SERVICE)
_DEPLOY = (*_RELEASE, Right.BEGIN_LEDGER, Right.PULL, Right.CREATE_SERVICE)
RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "plan": (Right.OBSERVE, Right.READ_OWNER),
    "status": (Right.OBSERVE, Right.READ_LEDGER),
    "history": (Right.READ_LEDGER,),
    "diagnose": (Right.OBSERVE, Right.READ_LOGS, Right.READ_RECORD),
    "publish": (Right.PUSH,),
    "preflight": (Right.INSPECT, Right.PULL),
    "migrate-direct": (Right.READ_DATABASE_URL, Right.PULL),
    "migrate-ecs-task": (Right.RUN_TASK,),
    "deploy": _DEPLOY,
    "rollback": _RELEASE,
    "promote-from": (Right.OBSERVE, Right.READ_LEDGER),
    "promote-to": _DEPLOY,
    "pause": (*_CHANGE, Right.BEGIN_LEDGER, Right.PAUSE_SERVICE),
    "resume": (*_CHANGE, Right.BEGIN_LEDGER, Right.READ_LOGS, Right.RESUME_SERVICE),
    "destroy": (*_CHANGE, Right.BEGIN_LEDGER, Right.DELETE_SERVICE),
}
# The role of jobs without a GitHub environment: they publish, and plan.
IMAGE_ROLE = ("publish", "plan")
# The role of jobs in a GitHub environment. Only a person deletes a service.
DEPLOY_ROLE = tuple(verb for verb in RIGHTS if verb not in ("publish", "destroy"))


def scope_of(settings: Settings, environment: str) -> Scope:
    """The environment that permissions are narrowed to; raises SettingsError."""
    scope = Scope(settings, environment, target_of(settings, environment).grants)
    settings.service_name(environment)
    return scope


def policy(scope: Scope, verbs: Iterable[str]) -> Policy:
    """The least that these verbs need in one environment; raises BadInputError for an unknown verb."""
    return document(granted((right for verb in verbs for right in _rights(verb)), scope.grants), scope)


def joined(policies: Iterable[Policy]) -> Policy:
    """One policy of several: statements of one name become one on the resources of all."""
    statements: dict[str, dict[str, Any]] = {}
    for statement in (statement for each in policies for statement in each["Statement"]):
        same = statements.setdefault(statement["Sid"], dict(statement))
        same["Resource"] = list(dict.fromkeys([*same["Resource"], *statement["Resource"]]))
    return {"Version": "2012-10-17", "Statement": list(statements.values())}


def _rights(verb: str) -> tuple[Right, ...]:
    if verb not in RIGHTS:
        raise BadInputError(
            f"there is no command {verb!r} that needs permissions in AWS", f"choose one of {', '.join(RIGHTS)}"
        )
    return RIGHTS[verb]
