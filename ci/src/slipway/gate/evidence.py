"""Evidence for a question: the results of the layers, which run in order of cost, cheapest first.

`judge` derives the findings from it.
"""

import gc
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from slipway.errors import BadInputError, SlipwayError
from slipway.gate import history
from slipway.gate.connections import every_connection_led_aside
from slipway.gate.databases import drop_owners, fresh, owner_of, server_version
from slipway.gate.deadline import within
from slipway.gate.forks import beside
from slipway.gate.history import History
from slipway.gate.layers import concurrency, drift
from slipway.gate.layers.compatibility import Replay, execute_own, replay
from slipway.gate.layers.concurrency import ConcurrencyResult
from slipway.gate.layers.drift import ModelsResult
from slipway.gate.layers.from_empty import Break, FromEmpty, Leftovers, find_break, run_from_empty
from slipway.gate.layers.interruption import InterruptionResult, interrupt
from slipway.gate.layers.parallel_stairway import climb_all
from slipway.gate.layers.queries import as_models
from slipway.gate.layers.rows import RowsResult, run_on_rows
from slipway.gate.layers.stairway import StairwayResult
from slipway.gate.layers.together import TogetherResult, run_together
from slipway.gate.steps import UP, Baseline, heads_of
from slipway.gate.template_cache import TemplateCache, after_old
from slipway.migration import initial_schema
from slipway.migration.alembic_config import Call
from slipway.migration.database import with_connection
from slipway.migration.environment import Environment, sentence
from slipway.migration.initial_schema import InitialSchema
from slipway.migration.models import metadata_of, with_tables
from slipway.records.gate import GateQuestion, Model, Previous, Role, Since
from slipway.records.proof import Layer

T = TypeVar("T")

_IF_MODELS = "if the service has models, import their modules in env.py, and set target_metadata to their metadata"
# these layers start from traced statements
_NEED_TRACE = frozenset({Layer.ROWS, Layer.INTERRUPTION, Layer.CONCURRENCY})


@dataclass(kw_only=True)
class Evidence:
    """The results of the layers. Those of a layer that did not run are empty."""

    postgres: str  # the server's version
    environment: Environment
    history: History
    layers: tuple[Layer, ...] = tuple(Layer)
    stairway: StairwayResult | None = None
    models: ModelsResult = field(default_factory=ModelsResult)
    rows: RowsResult = field(default_factory=RowsResult)
    together: TogetherResult = field(default_factory=TogetherResult)
    # how all revisions fail in one run from the beginning, if the new ones do not by themselves
    from_empty: Break | None = None
    left: Leftovers | None = None  # what the old revisions leave in such a run; None when it is unknown
    interruptions: InterruptionResult = field(default_factory=InterruptionResult)
    replay: Replay = field(default_factory=Replay)
    previous: Previous | None = None
    previous_required: bool = False
    concurrency: ConcurrencyResult = field(default_factory=ConcurrencyResult)
    uncompared: bool = False  # whether git, also for want of a repository, has no state to compare with by default
    baseline: str = ""  # the name of the schema on which the history begins
    left_out: tuple[str, ...] = ()  # sentences about parts of the baseline that were left out
    # an old revision that only a superuser can run, with its error; all revisions then ran as superuser
    superuser_for: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # wall time by layer

    @property
    def database(self) -> str:
        """The name of the database with these results; empty when env.py ended before it used a database."""
        return "".join(self.environment.databases[self.environment.place :][:1])

    @property
    def why_not_asked(self) -> str:
        """The reason, for the coverage's gaps, why the previous release was not replayed."""
        if self.environment.place:
            return "the previous release was not asked: its models are compared in the first database only"
        why = "; the schema before each new revision took its place" if self.replay.assumed else ""
        if self.uncompared:
            return f"the previous release was not asked{why}: git has no earlier state of this service here; in a git repository, name a commit, branch or tag with --since"
        alone = all(node.new for node in self.history.nodes)  # with --all-revisions, which excludes --since
        return f"the previous release was not asked{why}: name its commit, branch or tag with --since{' instead of --all-revisions' if alone else ''} (on Dagger its folder with --previous)"

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


def gather(question: GateQuestion, server: URL, place: int = 0) -> Evidence:
    """Execute the history in one of the databases that env.py migrates, by default the first.

    Raise BadInputError when this is impossible.
    """
    started = time.perf_counter()
    version = server_version(server)
    with within(question.timeout, "the import of the revisions"):
        environment = environment_of(question, server)
        environment.place = place
        initial = initial_of(question, environment)
    past = history.read(environment, question.start_after, question.since, initial)
    gc.freeze()  # imported objects live until the end
    if past.is_empty and (unread := history.unread(environment)):
        raise BadInputError(
            f"alembic reads no revision in {environment.relative(environment.script.dir)}, although {unread} is a revision",
            "name the folders of revisions in alembic's settings file (version_locations)",
        )
    evidence = Evidence(
        postgres=version,
        environment=environment,
        history=past,
        layers=_with_required(question.layers),
        previous=question.previous,
        previous_required=question.previous_required,
        uncompared=question.since == Since(name="", by_default=""),
        baseline=initial.name if initial else "",
    )
    evidence.seconds["load"] = round(time.perf_counter() - started, 3)
    if not past.broken and not past.is_empty:
        empty = Baseline(
            history=past,
            environment=environment,
            server=server,
            extensions=question.extensions,
            role=question.role,
            samples=question.samples,
            initial=initial,
        )
        try:
            _execute(evidence, empty, keep=question.keep)
        finally:
            drop_owners(server)
    return evidence


def environment_of(question: GateQuestion, server: URL) -> Environment:
    """Load the history. Raise BadInputError when alembic cannot."""
    with every_connection_led_aside(server, question.extensions):
        call = Call(
            config=Path(question.config),
            section=question.section,
            x_arguments=question.x_arguments,
            directory=question.directory,
            scripts=question.scripts,
            app=question.app,
        )
        return Environment(call, server, question.timeout)


def initial_of(question: GateQuestion, environment: Environment) -> InitialSchema | None:
    """Read the baseline if the question names one. Raise BadInputError when it cannot be read."""
    if not question.baseline or environment.place:
        return None
    with every_connection_led_aside(environment.url, question.extensions), environment.in_application():
        return initial_schema.read(question.baseline, environment.folder)


def _with_required(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    required = {Layer.ALWAYS, *layers, *([Layer.TRACE] if _NEED_TRACE.intersection(layers) else [])}
    return tuple(layer for layer in Layer if layer in required)


@contextmanager
def _begun(evidence: Evidence, empty: Baseline) -> Iterator[Baseline]:
    """Yield the baseline, with its initial schema and without the revisions that its rows count as run.

    Raise BadInputError when it does not build.
    """
    if empty.initial is None:
        yield empty
        return
    with fresh(empty.server, empty.extensions, empty.role) as template:
        build = partial(empty.initial.build, owner=owner_of(template))
        evidence.left_out = with_connection(template, build)
        if empty.initial.has_rows:
            evidence.history = empty.history.after(heads_of(empty.environment, template))
        yield replace(empty, template=template, history=evidence.history)


def _execute(evidence: Evidence, start: Baseline, *, keep: bool) -> None:
    """Run the old revisions, unless their result is cached, and the stairway over the new ones.

    Then run the other layers.
    """
    with ExitStack() as stack:
        empty = stack.enter_context(_begun(evidence, start))
        past = empty.history
        cache = TemplateCache(empty, evidence.postgres) if keep and past.before_new else None
        with evidence.timed("stairway and drift"):
            cached = cache.find() if cache else None
            evidence.left = cached.left if cached else None
            whole = _WholeHistory(evidence=evidence, empty=empty, stack=stack)
            whole.begin_when_unknown()
            baseline, earlier = cached.after(empty) if cached else stack.enter_context(after_old(empty))
            if cache and not cached and baseline.old and baseline.template:
                cache.store(baseline.template, earlier)
            together = stack.enter_context(_together_beside(evidence, baseline, cache))

            def compare(end: StairwayResult) -> Callable[[], ModelsResult]:
                return stack.enter_context(beside(partial(_compare, empty, end), "the comparison with the models"))

            result, compared = climb_all(baseline, compare, trace=Layer.TRACE in evidence.layers)
            evidence.stairway = result = replace(result, steps={**earlier, **result.steps})
        lacking = _lacking_rights(evidence, baseline)
        examined = not {Layer.ALWAYS, Layer.TRACE}.issuperset(evidence.layers)
        if examined and not lacking and any(node.new for node in past.nodes):
            if cache and baseline.old and result.migrated:
                baseline = cache.filled(baseline, result.migrated.search_path, result.version_table)
            whole.begin_when_concerned()
            _examine_new(evidence, result, baseline, {Layer.TOGETHER} if together else set())
            if together and result.is_complete:
                evidence.together = together()
            if whole.judged(baseline) and cache and evidence.left and baseline.old:
                cache.note(earlier, evidence.left)
        elif Layer.PREVIOUS in evidence.layers and not lacking and result.is_complete:
            evidence.replay = execute_own(baseline, evidence.previous or Previous(name=""), _own(result))
        if not lacking:
            with evidence.timed("models"):
                evidence.models = compared()
    if lacking:
        evidence.superuser_for = lacking
        _execute(evidence, replace(start, role=Role.SUPERUSER), keep=keep)


@dataclass(kw_only=True)
class _WholeHistory:
    """The run of all revisions from the beginning, beside the layers, when old and new ones may meet in it."""

    evidence: Evidence
    empty: Baseline
    stack: ExitStack
    is_asked: bool = False
    result: Callable[[], FromEmpty] | None = None

    def begin_when_unknown(self) -> None:
        """Begin the run when no earlier one has noted the effects of the old revisions."""
        past = self.empty.history
        has_both = bool(past.before_new) and any(node.new for node in past.nodes)
        self.is_asked = has_both and Layer.TOGETHER in self.evidence.layers
        if self.is_asked and self.evidence.left is None:
            self._begin()

    def begin_when_concerned(self) -> None:
        """Begin the run when a new revision may meet what the old ones leave."""
        left, stairway = self.evidence.left, self.evidence.stairway
        if self.is_asked and left and stairway and left.may_concern(self.empty.history, stairway.steps):
            self._begin()

    def _begin(self) -> None:
        work = partial(run_from_empty, self.empty)
        self.result = self.stack.enter_context(beside(work, "the whole history"))

    def judged(self, baseline: Baseline) -> bool:
        """Add the result to the evidence. Return whether there was a run."""
        stairway = self.evidence.stairway
        if self.result is None or stairway is None or not stairway.is_complete:
            return False
        try:
            result = self.result()
            self.evidence.left = result.left
            self.evidence.from_empty = find_break(baseline, self.empty, result, stairway.steps)
        except SlipwayError as error:
            gap = f"the whole history was not run from an empty database, as a new environment runs it ({error})"
            self.evidence.together = replace(self.evidence.together, gap=self.evidence.together.gap or gap)
            return False
        return True


def _lacking_rights(evidence: Evidence, baseline: Baseline) -> str:
    """Return the old revision that needs a superuser, with its error.

    Production has already run it, so it must not stop the new revisions.
    """
    assert evidence.stairway is not None
    for node in evidence.history.before_new if baseline.role is not Role.SUPERUSER else ():
        failure = evidence.stairway.steps[node.id].failures.get(UP)
        if failure and failure.may_lack_rights:
            return f"{node.id} ({failure.message})"
    return ""


def _together_beside(
    evidence: Evidence, baseline: Baseline, cache: TemplateCache | None
) -> AbstractContextManager[Callable[[], TogetherResult] | None]:
    """Run the new revisions together beside the stairway, when no rows have to be made for them."""
    begun = cache.with_known_rows(baseline) if cache and baseline.template else baseline
    begins_empty = not (baseline.template or baseline.history.before_new)
    has_new = any(node.new for node in baseline.history.nodes)
    if Layer.TOGETHER in evidence.layers and has_new and (begins_empty or True in begun.filled):
        return beside(partial(run_together, begun, ""), "the new revisions together")
    return nullcontext()


def _examine_new(evidence: Evidence, stairway: StairwayResult, baseline: Baseline, done: Collection[Layer]) -> None:
    """Run the layers for new revisions: on rows and beside a second runner in this process, the others in processes beside it."""
    layers, previous, steps = set(evidence.layers).difference(done), evidence.previous, stairway.steps
    commits = any(steps[node.id].committing for node in baseline.history.nodes if node.new)
    interruptible = (Layer.INTERRUPTION,) if commits else ()

    def beside_rows(work: Callable[[], T], what: str, *needed: Layer) -> AbstractContextManager[Callable[[], T]]:
        # without the rows layer this process would only wait
        in_fork = Layer.ROWS in layers and not set(needed).isdisjoint(layers)
        return beside(work, what) if in_fork else nullcontext(work)

    def contention() -> tuple[Replay, ConcurrencyResult]:
        replayed, queues = Replay(), ConcurrencyResult()
        if Layer.PREVIOUS in layers:
            replayed = replay(baseline, previous or Previous(name=""), _own(stairway), steps)
        if Layer.CONCURRENCY in layers:
            queues = concurrency.examine_queues(baseline, steps, replayed.queries)
        return replayed, queues

    def transactions() -> tuple[TogetherResult, InterruptionResult]:
        together, interruptions = TogetherResult(), InterruptionResult()
        if Layer.TOGETHER in layers and stairway.is_complete:
            together = run_together(baseline, stairway.version_table)
        if Layer.INTERRUPTION in layers:
            interruptions = interrupt(baseline, steps, stairway.version_table)
        return together, interruptions

    with (
        evidence.timed("rows, together, interruptions, previous release, concurrency"),
        beside_rows(transactions, "transactions and interruptions", Layer.TOGETHER, *interruptible) as transacted,
        beside_rows(contention, "the previous release and lock queues", Layer.PREVIOUS, Layer.CONCURRENCY) as contended,
    ):
        if Layer.ROWS in layers:
            evidence.rows = run_on_rows(baseline, steps)
        if Layer.CONCURRENCY in layers:
            evidence.concurrency = concurrency.examine_runners(baseline, steps)
        evidence.together, evidence.interruptions = transacted()
        evidence.replay, queues = contended()
        evidence.concurrency = evidence.concurrency.and_queues_of(queues)


def _own(stairway: StairwayResult) -> tuple[Model, ...]:
    """Return the models of the new release."""
    models = metadata_of(stairway.options)
    return tuple(as_models(table for metadata in models for table in metadata.tables.values()))


def _compare(baseline: Baseline, end: StairwayResult) -> ModelsResult:
    if end.migrated is None:
        return ModelsResult(gap="the history does not reach its head")
    models = metadata_of(end.options)
    if not any(metadata.tables for metadata in models):
        filled = with_tables(baseline.environment.is_own)
        step = f"set it to {filled}, which has tables" if filled else _IF_MODELS
        given = "a target_metadata without tables" if models else "no target_metadata"
        return ModelsResult(gap=f"env.py gives {given}; {step}")
    try:
        return drift.compare_with_models(
            baseline.server, end.migrated, end.options, end.version_table, baseline.extensions
        )
    except SQLAlchemyError as error:
        return ModelsResult(gap=f"they do not build ({sentence(error)})", failed=True)
    except SlipwayError:
        raise
    except Exception as error:  # noqa: BLE001 -- options of env.py such as include_object are called
        place = baseline.environment.place_in_words(error)
        return ModelsResult(gap=f"the models, or an option of env.py, fail at {place} ({sentence(error)})", failed=True)
