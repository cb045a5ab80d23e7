"""The steps of a revision, as alembic runs them."""

from collections.abc import Callable
from typing import Any, Final

from alembic import op
from alembic.runtime.migration import MigrationStep, RevisionStep

from slipway.gate.history import Node
from slipway.migration.environment import Environment

UP: Final = "up"
DOWN: Final = "down"
AGAIN: Final = "again"


def step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """A step as alembic runs it, in a transaction of its own."""
    return by_itself(bare_step_of(environment, node, step))


def by_itself(step: RevisionStep) -> RevisionStep:
    """The same, in a transaction of its own also where env.py has begun one, which alembic then leaves to env.py.

    What was done is committed beneath SQLAlchemy, which could not do that within `with connection.begin()`. So a revision is not charged with the
    locks of those before it, and when it fails, they stay.
    """
    function = step.migration_fn

    def run(**arguments: Any) -> None:
        context = op.get_context()
        if context._in_external_transaction:  # noqa: SLF001 -- on which alembic decides, too
            assert context.connection is not None
            context.connection.connection.commit()
        function(**arguments)

    step.migration_fn = run
    return step


def bare_step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """A step in whatever transaction there is; up again as in a run of its own."""
    make = MigrationStep.downgrade_from_script if step == DOWN else MigrationStep.upgrade_from_script
    made = make(environment.script.revision_map, node.script)
    if step == AGAIN:
        made.migration_fn = _forgetting(made.migration_fn)
    return made


def _forgetting(function: Callable[..., None]) -> Callable[..., None]:
    """Alembic notes which enum types a run has created, and creates none twice (`memo` in alembic/ddl/impl.py)."""

    def run(**arguments: Any) -> None:
        op.get_context().impl.memo.clear()
        function(**arguments)

    return run
