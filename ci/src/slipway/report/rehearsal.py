"""A rehearsal as a table for a terminal, and as a page."""

from slipway.records.rehearsal import Act, Rehearsal
from slipway.report.format import duration, rendered
from slipway.untrusted import one_line

_LONGEST = 2000  # characters of a reason, which is not cut


def page(rehearsal: Rehearsal) -> str:
    """Render a self-contained HTML page."""
    return rendered("rehearsal.html", rehearsal=rehearsal)


def text(rehearsal: Rehearsal) -> str:
    """Render the table, then the details of acts that did not go as expected; the last line is the verdict."""
    rows = [("", "act", "what happened", "here", "platform", "how it ran"), *(_row(act) for act in rehearsal.acts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    details = [
        f"{one_line(act.name)}: {one_line(detail)}"
        for act in rehearsal.acts
        if not act.passed
        for detail in act.details
    ]
    return (
        "\n".join(
            [
                *table,
                "",
                *details,
                *([""] if details else []),
                *_made_up(rehearsal),
                _pace(rehearsal),
                _verdict(rehearsal),
            ]
        )
        + "\n"
    )


def _pace(rehearsal: Rehearsal) -> str:
    platform = (
        "The platform is simulated, and keeps its own time: work here takes none of it, and its waits are skipped"
    )
    return f"{platform}. Databases: {one_line(rehearsal.postgres)}."


def _made_up(rehearsal: Rehearsal) -> list[str]:
    return [f"Stand-ins: {one_line(each, _LONGEST)}." for each in rehearsal.stand_ins]


def _verdict(rehearsal: Rehearsal) -> str:
    if rehearsal.passed:
        return "passed: every act went as expected"
    return "\n".join(one_line(each, _LONGEST) for each in rehearsal.failures)


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
