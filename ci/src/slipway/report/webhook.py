"""The message about the end of a deployment, in the form that Slack and many other chats accept."""

from slipway.records.outcome import Outcome, Status
from slipway.report.format import duration, sign
from slipway.report.release import action, answered
from slipway.untrusted import one_line


def of_outcome(outcome: Outcome, holder: str) -> str:
    """Return the text, without the application's log lines.

    Angle brackets are escaped, because Slack executes <!channel>.
    """
    kept, number = outcome.kept, f", deployment {outcome.number}" if outcome.number else ""
    lines = [
        f"{sign(kept.status.exit_code)} {kept.status.value}: {action(kept.verb)}{one_line(kept.service)} in {one_line(kept.environment)}{number}",
        f"live: {one_line(kept.serving)}, after {duration(kept.seconds)}, by {one_line(holder)}",
    ]
    if kept.diagnosis:
        lines += [f"cause: {one_line(kept.diagnosis.cause)}", f"remedy: {one_line(kept.diagnosis.remedy)}"]
    if kept.status is not Status.UNANSWERED and kept.answer and kept.answer.problem:
        lines += [f"{name}: {one_line(value)}" for name, value in answered(kept.answer, kept.way_out)]
    return "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in lines)
