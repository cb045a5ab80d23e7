"""The result of `slipway init` for a terminal: the facts, the files, and the next step."""

from collections.abc import Iterable, Iterator
from typing import Final

from slipway.records.adoption import AdoptedFile, Adoption, FileState
from slipway.records.survey import DEFAULT, Fact, Subject
from slipway.report.proof.text import WHOLE, place
from slipway.untrusted import one_line, printable

_SEVERAL: Final = {
    Subject.SERVICE,
    Subject.LEFT_OUT,
    Subject.MIGRATES,
    Subject.PACKAGE,
    Subject.VARIABLE,
    Subject.GROUP,
    Subject.EXTRA,
    Subject.EXTENSION,
}
_WIDTH: Final = max(len(subject.value) for subject in Subject)
_MOST_LINES: Final = 100  # of one file; only a baseline is longer


def of_adoption(adoption: Adoption) -> str:
    """Render the whole report. The last line is the next step."""
    return "\n".join(_lines(adoption)).lstrip("\n") + "\n"


def _lines(adoption: Adoption) -> Iterator[str]:
    if not adoption.checked:
        yield from map(_fact, _best(adoption.facts))
    for obstacle in adoption.obstacles:
        yield f"OBSTACLE {one_line(obstacle.what)}: {one_line(obstacle.next_step)}"
    for file in adoption.files:
        yield from _file(file)
    for drift in adoption.drift:
        yield f"DRIFT {one_line(drift.key)}: the settings have {one_line(drift.has)}, {one_line(drift.place)} has {one_line(drift.found)}"
    if adoption.notes:
        yield ""
    yield from (f"NOTE {one_line(note, WHOLE)}" for note in adoption.notes)
    if adoption.gate:
        yield ""
        *beginning, last = (one_line(line, WHOLE) for line in adoption.gate.splitlines())
        yield from beginning
        for finding in adoption.errors:
            yield f"ERROR {one_line(finding.rule)} {place(finding)}: {one_line(finding.message)} {one_line(finding.measured, 600)}"
            yield from (f"      {line}" for line in printable(finding.remedy).splitlines())
        yield last
    yield from ("", _next_step(adoption))


def _best(facts: Iterable[Fact]) -> Iterator[Fact]:
    """Yield the first fact about each subject; for subjects with several values, yield all."""
    seen = set()
    for fact in facts:
        if fact.subject in _SEVERAL or fact.subject not in seen:
            yield fact
        seen.add(fact.subject)


def _fact(fact: Fact) -> str:
    word = "assumed" if fact.place == DEFAULT else "guessed"
    guessed = f" ({word}: {one_line(fact.guessed)})" if fact.guessed else ""
    return f"{fact.subject.value:{_WIDTH}} {one_line(fact.value, 80):40} {one_line(fact.place)}{guessed}".rstrip()


def _file(file: AdoptedFile) -> Iterator[str]:
    reason = f", {one_line(file.reason)}" if file.reason else ""
    yield from ("", f"{file.state.value} {one_line(file.name)}{reason}")
    if file.state is not FileState.KEPT:
        yield f"--- {'/dev/null' if file.is_new else one_line(file.name)}"
        yield f"+++ {one_line(file.name)}"
        lines = printable(file.added).removesuffix("\n").split("\n")
        yield from (f"+{line}" for line in lines[:_MOST_LINES])
        if len(lines) > _MOST_LINES:
            yield f"and {len(lines) - _MOST_LINES} more lines"


def _next_step(adoption: Adoption) -> str:
    if adoption.checked:
        drift = "correct the settings, or the files that they describe" if adoption.drift else ""
        gate = "the gate cannot run before these obstacles are removed" if adoption.obstacles else ""
        fits = "the settings fit the service's files; whether the migrations run is shown by `slipway gate`"
        return "; ".join(filter(None, (drift, gate))) or fits
    if adoption.obstacles:
        return "nothing was written: these obstacles come first"
    if not adoption.is_complete:
        return "nothing was written; run `slipway init --yes` to write these files and run the gate"
    written = any(file.state is FileState.WRITTEN for file in adoption.files)
    if adoption.passed is False:
        files = "the files are written, but" if written else "no file changed, and"
        return f"{files} the gate did not pass, for the reason above; `slipway gate` shows all details"
    files = "commit these files" if written else "nothing to change"
    return f"{files}; the gate begins with the next revision" if adoption.begins_later else files
