"""Adopt slipway: init."""

from dataclasses import replace
from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Flags, Group, JsonRecord, command, switch
from slipway.commands.flags import PYTHON, SOURCE
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from slipway.local.prove import GateOptions
    from slipway.records.adoption import Adoption
    from slipway.records.proof import Proof
    from slipway.report.answers.result import CommandResult


@command(
    Group.TEST,
    "Propose settings and a CI workflow for a service, derived from its files; write them with `--yes`",
    flags=(
        SOURCE,
        switch("yes", "write the files, and run the gate once", one_of="act"),
        switch("check", "report where the settings and the service's files differ; write nothing", one_of="act"),
        PYTHON,
    ),
    records=(JsonRecord("adoption", "1 for an obstacle, for drift with `--check`, or when the gate found an error"),),
    not_on_dagger="it writes into the folder on your machine",
)
async def init(flags: Flags, caller: Caller) -> "CommandResult":
    from anyio import to_thread

    from slipway.local import adoption
    from slipway.report.answers import adopt as answers
    from slipway.source.commit import folder_of

    folder = folder_of(flags.source)
    if flags.check:
        return answers.of_adoption(await to_thread.run_sync(adoption.check, folder))
    service = await to_thread.run_sync(adoption.surveyed, folder)
    proposed = await to_thread.run_sync(adoption.propose, service)
    if proposed.obstacles:
        return answers.of_adoption(await _with_all_obstacles(proposed, _options(flags, caller)))
    if not flags.yes:
        return answers.of_adoption(proposed)
    with caller.progress.step("testing the migrations"):
        options = _options(flags, caller)
        known = replace(options, migrations=service.migrations)
        result = await _proof(known)
        text = await _baseline(known, proposed, result)
        proposed = await to_thread.run_sync(adoption.propose, service, text, _head_before_slipway(result))
        written = await to_thread.run_sync(adoption.written, folder, proposed)
        if text and not isinstance(result, SlipwayError) and not proposed.is_complete:
            # omit the advice, which has been followed
            why = result.coverage.gaps[0].partition("; if production had it")[0]
            note = f"the gate begins after today's revisions, on the schema of the models: {why}"
            written = replace(written, notes=(*written.notes, note))
            result = await _proof(options)
    return answers.of_adoption(_with(written, result))


def _options(flags: Flags, caller: Caller) -> "GateOptions":
    """Return the options of a gate that executes the whole history and reports only on revisions that are not committed."""
    from slipway.local.prove import GateOptions
    from slipway.source.commit import commit_at

    since: str | None = "HEAD"
    try:
        commit_at(flags.source)
    except SlipwayError:
        since = None  # there is no commit yet
    return GateOptions(source=flags.source, python=flags.python, since=since, progress=caller.progress)


async def _with_all_obstacles(proposed: "Adoption", options: "GateOptions") -> "Adoption":
    """Add the obstacles that virtual environment and machine present to those in the service's files."""
    from slipway.local.gate import obstacles
    from slipway.records.survey import Obstacle

    others = map(Obstacle.of, await obstacles(options))
    return replace(proposed, obstacles=tuple(dict.fromkeys((*proposed.obstacles, *others))))


async def _proof(options: "GateOptions") -> "Proof | SlipwayError":
    """Run the gate once, or return why it could not run."""
    from slipway.local.gate import gate

    try:
        return await gate(options)
    except SlipwayError as error:
        return error


def _head_before_slipway(result: "Proof | SlipwayError") -> str | None:
    """Return the head if all revisions were committed before slipway was adopted. The gate then tests later revisions only, here and in CI.

    Return an empty text otherwise. Return None when the gate, or every revision, could not run: only files and git can then
    answer.
    """
    if isinstance(result, SlipwayError) or not result.coverage.revisions:
        return None
    if result.coverage.new:
        return ""
    return result.heads[0] if len(result.heads) == 1 else ""


async def _baseline(options: "GateOptions", proposed: "Adoption", result: "Proof | SlipwayError") -> str:
    """Return the text of a baseline when the old revisions need one.

    Return an empty text when they do not, or when the models cannot be read.
    """
    from slipway.local.gate import baseline

    if isinstance(result, SlipwayError) or result.coverage.baseline or not result.unexecuted:
        return ""
    if any("is not supported in this build" in gap for gap in result.coverage.gaps):
        return ""  # this Postgres lacks a feature that the models may need, too
    new = {revision.id for revision in result.revisions if revision.new}
    if not proposed.begins_on_a_schema and {*result.unexecuted} <= {*result.heads} | new:
        return ""  # a mistake in the newest revision may be the cause
    try:
        return await baseline(options)
    except SlipwayError:  # the gate's report describes how to make a baseline with pg_dump
        return ""


def _with(adopted: "Adoption", result: "Proof | SlipwayError") -> "Adoption":
    """Add the gate's verdict, or why it could not run."""
    from slipway.records.proof import Verdict
    from slipway.report.proof.text import first_lines, summary

    if isinstance(result, SlipwayError):
        reasons = (f"the gate could not run: {each}" for each in result.obstacles)
        step = "the files are written, for you to correct; then run `slipway init --yes` again, which adds what only a run shows"
        return replace(adopted, gate="\n".join((*reasons, step)), passed=False)
    errors = tuple(finding for finding in result.findings if finding.fails)
    later = not result.revisions
    executed = bool(result.revisions) and not result.unexecuted
    passed = (executed or later) and result.verdict is Verdict.PASS
    text = "\n".join((*first_lines(result), summary(result)))
    return replace(adopted, gate=text, errors=errors, passed=passed, begins_later=later and passed)
