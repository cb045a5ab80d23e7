"""The steps of a revision, as alembic runs them."""

import os
from collections.abc import Callable
from typing import Any, Final

from alembic import op
from alembic.runtime.migration import MigrationStep, RevisionStep

from slipway.gate.deadline import within
from slipway.gate.history import Node
from slipway.gate.measure.changed_session import leaving_the_session, noting_changes
from slipway.migration.environment import Environment, Options, Steps

UP: Final = "up"
DOWN: Final = "down"
AGAIN: Final = "again"


def run(environment: Environment, steps: Steps, **overrides: object) -> Options:
    """Run env.py with these steps and return the options of its `context.configure`; raises TookTooLongError, too."""
    env_py = environment.relative(str(environment.script.env_py_location))
    with within(environment.patience, env_py), noting_changes():
        return environment.run(steps, **overrides)


def step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """Return a step as alembic runs it, in its own transaction."""
    return by_itself(environment, node, bare_step_of(environment, node, step))


def by_itself(environment: Environment, node: Node, step: RevisionStep) -> RevisionStep:
    """Give a step its own transaction even when env.py has begun one, which alembic then leaves to env.py.

    The earlier work is committed beneath SQLAlchemy, which refuses a commit within `with connection.begin()`. So a revision is not charged
    with the locks of those before it, and they survive its failure.
    """
    function = step.migration_fn

    def run(**arguments: Any) -> None:
        context = op.get_context()
        if context._in_external_transaction:  # noqa: SLF001 -- alembic decides by it, too
            assert context.connection is not None
            context.connection.connection.commit()
        with within(environment.patience, f"revision {node.id} ({node.file})"):
            function(**arguments)

    step.migration_fn = run
    return step


def _in_this_process(function: Callable[..., None]) -> Callable[..., None]:
    """End a fork that a revision makes and returns from: it shares its parent's connection, and no process waits for it."""

    def run(**arguments: Any) -> None:
        process = os.getpid()
        try:
            function(**arguments)
        finally:
            if os.getpid() != process:
                os._exit(0)

    return run


def bare_step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """Return a step that runs in the current transaction; the second upgrade starts as in a run of its own."""
    make = MigrationStep.downgrade_from_script if step == DOWN else MigrationStep.upgrade_from_script
    made = make(environment.script.revision_map, node.script)
    made.migration_fn = leaving_the_session(_in_this_process(made.migration_fn))
    if step == AGAIN:
        made.migration_fn = _forgetting(made.migration_fn)
    return made


def _forgetting(function: Callable[..., None]) -> Callable[..., None]:
    """Reset alembic's notes on the enum types that a run has created (`memo` in alembic/ddl/impl.py)."""

    def run(**arguments: Any) -> None:
        op.get_context().impl.memo.clear()
        function(**arguments)

    return run
