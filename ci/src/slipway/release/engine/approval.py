"""An approved plan, compared with what a deployment would do now. Pure."""

from slipway.errors import BadInputError, RefusedError
from slipway.records.plan import Action, Observed, Plan
from slipway.untrusted import one_line

_NEW_PLAN = "make a new plan and have it approved"


def check_belongs(approved: Plan, environment: str, service: str) -> None:
    """Raise BadInputError for a plan that can never be applied here."""
    if (approved.environment, approved.service) != (environment, service):
        raise BadInputError(
            f"the plan is for {one_line(approved.service)} in {one_line(approved.environment)}, not for {service} in {environment}",
            "give the plan of this environment",
        )
    if approved.action is Action.BLOCKED:
        raise BadInputError(f"the plan is blocked ({one_line(approved.reason)})", _NEW_PLAN)


def check_still_true(approved: Plan, made: Plan, observed: Observed) -> None:
    """Raise RefusedError unless `made`, the plan of this moment, does what was approved, or it has been done."""
    if _is_done(approved, made, observed):
        return
    if made.fingerprint != approved.fingerprint:
        raise RefusedError(
            f"the live state of {made.service} has changed since the plan was made, from {one_line(approved.fingerprint)} to {made.fingerprint}",
            _NEW_PLAN,
        )
    if differing := set(made.changes) ^ set(approved.changes):
        names = ", ".join(sorted({one_line(change.name) for change in differing}))
        raise RefusedError(
            f"a deployment of {made.service} would no longer change what the plan says ({names}); the settings have changed since",
            _NEW_PLAN,
        )


def _is_done(approved: Plan, made: Plan, observed: Observed) -> bool:
    """Return whether a job that runs again finds its own result: another state than before, and nothing left to change."""
    return made.action is Action.NOOP and all(
        observed.fields.get(change.name) == change.after for change in approved.changes
    )
