"""A rehearsal as a table for a terminal, and as a page."""

from collections.abc import Iterator

from slipway.records.rehearsal import Act, Rehearsal
from slipway.report.format import duration, in_lines, rendered
from slipway.untrusted import one_line

_LONGEST = 2000  # characters of a reason, enough to show it whole


def page(rehearsal: Rehearsal) -> str:
    """Render a self-contained HTML page."""
    return rendered("rehearsal.html", rehearsal=rehearsal)


@in_lines
def text(rehearsal: Rehearsal) -> Iterator[str]:
    """Render the table, then the details of acts that did not go as expected; the last line is the verdict."""
    rows = [("", "act", "what happened", "here", "platform", "how it ran"), *(_row(act) for act in rehearsal.acts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    failed = [act for act in rehearsal.acts if not act.passed and act.details]
    for act in failed:
        yield from (f"{one_line(act.name)}: {one_line(detail)}" for detail in act.details)
    yield from [""] if failed else ()
    yield from (f"Stand-ins: {one_line(each, _LONGEST)}." for each in rehearsal.stand_ins)
    time = "keeps its own time: work here takes none of it, and its waits are skipped"
    yield f"The platform is simulated, and {time}. Databases: {one_line(rehearsal.postgres)}."
    if rehearsal.passed:
        yield "passed: every act went as expected"
    else:
        yield from (one_line(each, _LONGEST) for each in rehearsal.failures)


def _row(act: Act) -> tuple[str, ...]:
    platform = duration(act.platform_seconds) if act.platform_seconds else "-"
    return (
        "ok" if act.passed else "NO",
        one_line(act.name),
        one_line(act.happened),
        duration(act.seconds),
        platform,
        one_line(act.how),
    )
