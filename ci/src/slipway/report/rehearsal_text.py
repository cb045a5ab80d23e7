"""A rehearsal for a terminal: a table."""

from slipway.records.rehearsal import Act, Rehearsal
from slipway.untrusted import one_line


def text(rehearsal: Rehearsal) -> str:
    """The table; its last line says whether it went as told."""
    rows = [("", "act", "what happened", "here", "platform", "how it ran"), *(_row(act) for act in rehearsal.acts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*table, "", _pace(rehearsal), _verdict(rehearsal)]) + "\n"


def duration(seconds: float) -> str:
    """`4 m 57 s`, or `5.1 s`."""
    return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s" if seconds >= 60 else f"{seconds:.1f} s"


def _pace(rehearsal: Rehearsal) -> str:
    faster = f"The platform is simulated, its clock ran {rehearsal.speed:g} times as fast as ours"
    return f"{faster}; the databases were {one_line(rehearsal.postgres)}."


def _verdict(rehearsal: Rehearsal) -> str:
    if rehearsal.passed:
        return "Every act went as told."
    return f"Not as told: {', '.join(one_line(act.name) for act in rehearsal.acts if not act.passed)}."


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
