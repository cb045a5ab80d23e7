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
    """A step as alembic runs it; up again as in a run of its own."""
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
