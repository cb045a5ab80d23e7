"""The steps of a revision, as alembic runs them."""

import os
from collections.abc import Callable
from typing import Any, Final

from alembic import op
from alembic.runtime.migration import MigrationStep, RevisionStep

from slipway.gate import deadline as whereabouts
from slipway.gate.history import Node
from slipway.gate.measure.changed_session import leaving_the_session, noting_changes
from slipway.migration.environment import Environment, Options, Steps

UP: Final = "up"
DOWN: Final = "down"
AGAIN: Final = "again"


def run(environment: Environment, steps: Steps, **overrides: object) -> Options:
    """Run env.py with these steps, which answers what it gave to `context.configure`; raises TookTooLongError, too."""
    env_py = environment.relative(str(environment.script.env_py_location))
    with whereabouts.within(environment.patience, env_py), noting_changes():
        return environment.run(steps, **overrides)


def step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """A step as alembic runs it, in a transaction of its own."""
    return by_itself(environment, node, bare_step_of(environment, node, step))


def by_itself(environment: Environment, node: Node, step: RevisionStep) -> RevisionStep:
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
        with whereabouts.within(environment.patience, f"revision {node.id} ({node.file})"):
            function(**arguments)

    step.migration_fn = run
    return step


def _in_this_process(function: Callable[..., None]) -> Callable[..., None]:
    """A fork that a revision makes, and that comes back from it, ends here: it is on the connection of another, and nobody waits for it."""

    def run(**arguments: Any) -> None:
        process = os.getpid()
        try:
            function(**arguments)
        finally:
            if os.getpid() != process:
                os._exit(0)

    return run


def bare_step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """A step in whatever transaction there is; up again as in a run of its own."""
    make = MigrationStep.downgrade_from_script if step == DOWN else MigrationStep.upgrade_from_script
    made = make(environment.script.revision_map, node.script)
    made.migration_fn = leaving_the_session(_in_this_process(made.migration_fn))
    if step == AGAIN:
        made.migration_fn = _forgetting(made.migration_fn)
    return made


def _forgetting(function: Callable[..., None]) -> Callable[..., None]:
    """Alembic notes which enum types a run has created, and creates none twice (`memo` in alembic/ddl/impl.py)."""

    def run(**arguments: Any) -> None:
        op.get_context().impl.memo.clear()
        function(**arguments)

    return run
