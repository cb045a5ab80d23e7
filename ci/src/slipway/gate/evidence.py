"""Question -> Evidence: the layers executed, cheapest first. What it means is `judge`'s to say."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from slipway.errors import BadInputError
from slipway.gate import history
from slipway.gate.databases import server_version
from slipway.gate.deadline import within
from slipway.gate.forks import beside
from slipway.gate.ground import Ground
from slipway.gate.history import History
from slipway.gate.layers import drift
from slipway.gate.layers.climbers import climb_all
from slipway.gate.layers.compatibility import Replay, replay
from slipway.gate.layers.drift import Difference
from slipway.gate.layers.fire_drill import Drilled, FireDrill
from slipway.gate.layers.interruption import Interrupted, interrupt
from slipway.gate.layers.rows import Life, Lived
from slipway.gate.layers.stairway import Climb
from slipway.gate.question import Question
from slipway.gate.templates import Shelf, ground, old_of
from slipway.migration.environment import Environment, sentence
from slipway.records.previous import Previous
from slipway.records.proof import UNCOMPARED


@dataclass(kw_only=True)
class Evidence:
    """What the layers showed; a layer that was not run showed nothing.

    - postgres: the server's version. compared: why the models were not compared, or where they differ.
    - seconds: wall time by layer.
    """

    postgres: str
    environment: Environment
    history: History
    climb: Climb | None = None
    compared: str | tuple[Difference, ...] = ()
    lived: Lived = field(default_factory=Lived)
    interrupted: Interrupted = field(default_factory=Interrupted)
    replayed: Replay = field(default_factory=Replay)
    previous: Previous | None = None
    drilled: Drilled = field(default_factory=Drilled)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


def gather(question: Question) -> Evidence:
    """Execute the history; raises BadInputError when there is nothing that can be executed."""
    started = time.perf_counter()
    version = server_version(question.server)
    with within(question.patience, "the import of the revisions"):
        environment = Environment(question.config, question.server, question.patience)
    past = history.read(environment, question.start_after, question.since)
    if not past.nodes and not past.broken:
        raise BadInputError(
            f"there is no revision in {environment.relative(environment.script.dir)}",
            "name the folders of revisions in alembic's settings file (script_location, version_locations)",
        )
    found = Evidence(postgres=version, environment=environment, history=past, previous=question.previous)
    found.seconds["load"] = round(time.perf_counter() - started, 3)
    if not past.broken:
        _execute(question, found)
    return found


def _execute(question: Question, found: Evidence) -> None:
    """Climb the history, or what is new in it when the rest is on the shelf; then what is done for new revisions only."""
    past, environment, empty = found.history, found.environment, Ground(question.server, question.extensions)
    shelf = Shelf(environment, past, empty, found.postgres) if question.keep and old_of(past) else None
    kept = shelf.look() if shelf else None
    begin, seen = kept or (empty, {})
    with found.layer("stairway and drift"):
        climb, found.compared = climb_all(past, environment, begin, partial(_compare, question))
        found.climb = climb = replace(climb, steps={**seen, **climb.steps})
    any_new = any(node.new for node in past.nodes)
    with ExitStack() as stack:
        if not kept and (any_new or shelf):
            begin = stack.enter_context(ground(environment, past, empty))
            if shelf and begin.template and not any(node.id in climb.skipped for node in old_of(past)):
                shelf.put(begin.template, climb.steps)
        if any_new:
            _gather_of_new(question, found, climb, begin)


def _gather_of_new(question: Question, found: Evidence, climb: Climb, begin: Ground) -> None:
    """What is done for new revisions only: the other layers beside the one of rows, which takes longest."""
    past, environment = found.history, found.environment

    def meet() -> tuple[Replay, Drilled]:
        told = replay(past, environment, question.previous, begin) if question.previous else Replay()
        return told, FireDrill(past, environment, climb, told.phrases).hold(begin)

    with (
        found.layer("rows, interruptions, previous release, fire drill"),
        beside(lambda: interrupt(past, environment, climb, begin), "interruptions") as interrupted,
        beside(meet, "the previous release and the fire drill") as met,
    ):
        found.lived = Life(past, environment, climb.steps).live(begin)
        found.interrupted, (found.replayed, found.drilled) = interrupted(), met()


def _compare(question: Question, end: Climb) -> str | tuple[Difference, ...]:
    """Where the end of the history and the models differ, or why that cannot be told."""
    models = drift.metadata_of(end.options)
    if end.lines is None:
        return f"{UNCOMPARED}: the history does not reach its head"
    if not models:
        return f"{UNCOMPARED}: env.py gives no target_metadata"
    try:
        modelled = drift.build_models(question.server, models, end.lines, question.extensions)
    except SQLAlchemyError as error:
        return f"{UNCOMPARED}: they do not build ({sentence(error)})"
    return drift.compare(end.lines, modelled, drift.unmodelled(end.options, end.lines, modelled, end.version_table))
