"""The truths of every story, whatever its state, its faults and its kills.

The account is the oracle: the digest at the public address, the operations, the database's head, the records of the ledger.
"""

from collections.abc import Iterator
from dataclasses import replace

from slipway.simulator.faults import Effect
from tests.release.grounds import There
from tests.release.planted import NOTHING, Planted
from tests.release.played import Ended, Played, play
from tests.release.scenarios import BACK, FORWARD, Image, Loss, Migrating, Scenario, State, Verb
from tests.release.stage import HEADS

_LIVE = ("RUNNING", "OPERATION_IN_PROGRESS")  # a maintenance or another client's change may have just started
_BLOCKED = (State.PAUSED, State.DELETE_FAILED, State.BUSY, State.MAINTAINED)
_FAILING = (Migrating.FAILS, Migrating.UNUSABLE)
_KILLED = (Migrating.KILLED_BEFORE, Migrating.KILLED_AFTER)
_RUNNING = (
    *(State.RUNNING, State.LIVE_ALREADY, State.BUSY, State.MAINTAINED, State.ROLLED_BACK, State.WENT_BACK),
    *(State.MIGRATED, State.LEFT, State.OVERTAKEN),
)
_ATTEMPTS = 6
_THROTTLED_SECONDS = 40.0  # so long a run may be kept between its last look at the ledger and its migration


async def violations(story: Scenario, planted: Planted = NOTHING) -> list[str]:
    """Return the violated truths of a story; empty when there are none."""
    played = await play(story, planted)
    found = [
        *_lies(played),
        *_answers(played),
        *_in_vain(played),
        *_changes(played),
        *_migrations(played),
        *_unproven(played),
        *_left(played),
    ]
    return [f"{each} ({'; '.join(map(_short, played.ends))})" for each in found]


def _short(end: Ended) -> str:
    told = [line.splitlines()[0] for line in end.told if not line.startswith(("not covered", "[AppRunner]"))]
    return f"{end.run.name}: exit {end.code}, {end.there.status}, {' / '.join(told)}"


def _lies(played: Played) -> Iterator[str]:
    """Exit 0: the goal is true. Exit 1: it is not. Where others act, it was so at some moment of the run."""
    for end in played.ends:
        name, code = end.run.name, end.code
        if _is_vague(played, end):
            if code == 0 and not any(found.live for found in (*end.seen, end.there)):
                yield f"{name}: exit 0, and nothing was live"
            continue
        is_so, was = _is_true(end, end.there), [_is_true(end, found) for found in end.seen]
        if code == 0 and not is_so and not (_is_disturbed(played) and any(was)):
            yield f"{name}: exit 0, and there is {end.there}"
        if code in (1, 2, 4):
            if end.is_superseded:
                if not _is_disturbed(played):
                    yield f"{name}: superseded, although no other client acted"
            elif is_so and not (_is_disturbed(played) and not all(was)) and not _had_ended(played, end):
                yield f"{name}: exit {code}, and it is so: {end.there}"


def _may_end(played: Played, code: int | None) -> bool:
    """Return whether a run may end so when nothing goes wrong any more."""
    return code in (0, 1, 4) or (code == 2 and played.story.state in (State.ABSENT, *_BLOCKED))


def _answers(played: Played) -> Iterator[str]:
    """Exit 2 means that nothing has been touched, exit 4 that a person took it back, and no answer says that nothing is live when it does not know."""
    for end in played.ends:
        if end.run.again and not _may_end(played, end.code):
            yield f"{end.run.name}: exit {end.code} although nothing goes wrong any more"
        if end.code == 4 and not _is_disturbed(played):
            yield f"{end.run.name}: aborted, although no other client acted"
        if end.code == 2 and end.has_number:
            yield f"{end.run.name}: exit 2 after it took a number"
        if "live:      nothing" in end.answer and not _is_disturbed(played) and end.there.live:
            yield f"{end.run.name}: says that nothing is live, and there is {end.there}"


def _in_vain(played: Played) -> Iterator[str]:
    """Without faults, a possible goal is reached; two minutes without network are none."""
    story = played.story
    if story.outage and story.outage.loss is not Loss.NETWORK:
        return
    yield from _not_both(played)
    if story.misfortunes or story.second or story.failing or (story.kill and story.image is not Image.HEALTHY):
        return
    if any(end.code == 3 for end in played.ends):
        yield "exit 3 where nothing hides the outcome"
    expected = _expected(story)
    if played.ends[-1].code != expected and not _had_ended(played, played.ends[-1]):
        yield f"exit {played.ends[-1].code} where nothing keeps it from {expected}"


def _not_both(played: Played) -> Iterator[str]:
    """Two jobs of one release both succeed."""
    story = played.story
    is_well = not (story.kill or story.failing) and story.migrating in (None, Migrating.WELL)
    is_well &= all(found.effect is Effect.THROTTLED and found.times < _ATTEMPTS for found in story.misfortunes)
    if story.second and story.second.same and is_well and _expected(replace(story, second=None)) == 0:
        codes = [end.code for end in played.ends]
        if codes != [0, 0] or played.changes > 1:
            yield f"two jobs of one release ended with {codes}, after {played.changes} changes"


def _expected(story: Scenario) -> int:
    """Return the exit code of a story without faults."""
    state, verb = story.state, story.verb
    if (verb is Verb.APPROVED and state in _BLOCKED) or (state, verb) == (State.ABSENT, Verb.ROLLBACK_TO):
        return 2
    if verb is Verb.DESTROY or (state is State.LIVE_ALREADY and verb in FORWARD and story.image is not Image.SILENT):
        return 0
    return 1 if _cannot_be(story) or _is_unproven(story) or _fails(story) else 0


def _cannot_be(story: Scenario) -> bool:
    if story.verb in (Verb.PAUSE, Verb.RESUME):
        return story.state not in (*_RUNNING, State.PAUSED)
    if story.verb is Verb.ROLLBACK and story.state in (State.ABSENT, State.WENT_BACK, State.ROLLED_BACK):
        return True
    return story.state in (State.PAUSED, State.DELETE_FAILED)


def _is_unproven(story: Scenario) -> bool:
    if story.proven:
        return False
    if story.verb is Verb.PROMOTE:
        return story.migrating is not None and story.state in _RUNNING
    return story.verb in BACK and story.state is State.MIGRATED


def _fails(story: Scenario) -> bool:
    match story.verb:
        case Verb.PAUSE:
            return False
        case Verb.RESUME:
            return story.state is State.PAUSED and story.image is not Image.HEALTHY
        case Verb.ROLLBACK | Verb.ROLLBACK_TO:
            is_live = story.state is State.WENT_BACK and story.image is not Image.SILENT
            return not is_live and story.image in (Image.UNHEALTHY, Image.DEAD, Image.SILENT)
        case _:
            return story.image is not Image.HEALTHY or story.migrating in _FAILING


def _is_true(end: Ended, there: There) -> bool:
    match end.run.verb:
        case Verb.PAUSE:
            return there == There("PAUSED", None)
        case Verb.RESUME:
            return there.status == "RUNNING" and there.live is not None
        case Verb.DESTROY:
            return there == There(None, None)
        case _:
            return there.status in _LIVE and there.live == end.run.digest


def _is_disturbed(played: Played) -> bool:
    """Return whether another client changed the service."""
    return played.story.second is not None or played.hands > 0


def _is_vague(played: Played, end: Ended) -> bool:
    """Where others act, where a rollback goes that is not told how far depends on when it looks; never further back than one release."""
    if end.run.verb is Verb.ABORT:
        return True
    return end.run.verb is Verb.ROLLBACK and (_is_disturbed(played) or played.story.state is State.BUSY)


def _had_ended(played: Played, end: Ended) -> bool:
    """A rollback that ended before it was killed does not go further: it asks how far, though it is there."""
    before = [found for found in played.ends if found.run.name == end.run.name.removesuffix(" again")]
    return end.run.again and end.run.verb is Verb.ROLLBACK and any(found.is_written for found in before)


def _changes(played: Played) -> Iterator[str]:
    """One change per goal; none where nothing may be changed."""
    story, changes = played.story, played.changes
    told = sum(end.code is None and end.is_written for end in played.ends)
    most = 1 + told if story.second is None else len(played.ends)
    if changes > most:
        yield f"{changes} changes were begun, by {len(played.ends)} runs"
    if story.second is None:
        if story.image is Image.MISSING and story.verb in FORWARD and story.state is not State.LIVE_ALREADY and changes:
            yield "a release was begun that is not in the repository"
        if story.verb is Verb.APPROVED and not story.forgotten and played.after_hands:
            yield "a plan was applied to a state that was not the approved one"
    if played.oldest in played.started:
        yield "a rollback went further back than one release"


def _migrations(played: Played) -> Iterator[str]:
    """The database is migrated before its release, only for a release that may follow."""
    story, began = played.story, played.migrations
    if any(found.verb not in FORWARD for found in began):
        yield "the database was touched by what brings no new release"
    for found in began:
        newer = [when for number, when in played.claimed.items() if number > found.number]
        if newer and found.at - min(newer) > _THROTTLED_SECONDS:
            yield f"the database was migrated for deployment {found.number} when a newer one had come"
    if story.second is not None:
        return
    if story.image is Image.MISSING and story.state is not State.LIVE_ALREADY and began:
        yield "the database was migrated for a release that is not in the repository"
    if story.migrating in _FAILING and played.changes:
        yield "a release was begun although its migration had failed"
    if story.migrating not in (None, *_FAILING) and played.changes and not played.hands:
        ended = [found.ended for found in began if found.ended is not None]
        sent = [place for place, _ in played.sent]
        if not any(place >= min(ended, default=len(played.requests)) for place in sent[-1:]):
            yield "a release was begun before its database was migrated"
    if (
        story.migrating
        and any(end.code == 0 for end in played.ends)
        and played.changes
        and played.head == HEADS["before"]
    ):
        yield "a release is live and its database was never migrated"


def _unproven(played: Played) -> Iterator[str]:
    """Without a reason, no release moves across an unproven schema."""
    story = played.story
    if story.second is not None or story.proven or played.before.live is None:
        return
    if story.verb is Verb.PROMOTE and story.migrating and (played.changes or played.migrations):
        yield "a schema was changed under a release that was not proven on it"
    if story.verb in BACK and played.changes:
        if story.state is State.MIGRATED:
            yield "a release was rolled back to a schema that it was not proven on"
        moved = min(played.moved_by_hand, default=None)
        sent = [place for place, name in played.sent if name == "UpdateService"]
        if moved is not None and any(place >= moved for place in sent):
            yield "a release was rolled back to a schema that had changed since it was read"


def _left(played: Played) -> Iterator[str]:
    """Only runs that were killed, or could not write, leave records behind."""
    story = played.story
    is_well = not story.misfortunes and story.outage is None and story.kill is None and story.migrating not in _KILLED
    if is_well and played.is_locked and (played.changes or story.state is not State.LEFT):
        yield "a lock was left"
    if is_well and played.unfinished:
        yield f"unfinished: {sorted(played.unfinished)}"
    if story.state is State.OVERTAKEN and is_well and played.changes and played.is_overtaken:
        yield "the end of an overtaken deployment was not recorded"
    last = played.ends[-1]
    if last.run.again and last.code in (0, 1) and played.unfinished and max(played.claimed) in played.unfinished:
        yield f"the newest number, {max(played.claimed)}, is unfinished although all have ended"
