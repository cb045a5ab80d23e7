"""Adopt slipway: init."""

from dataclasses import replace
from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Flags, Group, JsonRecord, command, switch
from slipway.commands.flags import PYTHON, SOURCE
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from slipway.records.adoption import Adoption
    from slipway.report.answers.result import CommandResult


@command(
    Group.PROVE,
    "Derive a service's settings and its workflow from its files and show them; write them with `--yes`",
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
    from slipway.source import folder_of

    folder = folder_of(flags.source)
    if flags.check:
        return answers.of_adoption(await to_thread.run_sync(adoption.check, folder))
    proposed = await to_thread.run_sync(adoption.propose, folder)
    if not flags.yes or proposed.obstacles:
        return answers.of_adoption(proposed)
    written = await to_thread.run_sync(adoption.written, folder, proposed)
    if not written.has_revisions:
        return answers.of_adoption(written)
    with caller.progress.step("proving the migrations"):
        return answers.of_adoption(await _proven(flags, written))


async def _proven(flags: Flags, adopted: "Adoption") -> "Adoption":
    """Run the gate once over the whole history, and add its verdict, or why it could not run. It judges only revisions that are not committed yet."""
    from slipway.local.gate import gate
    from slipway.local.prove import GateOptions
    from slipway.records.proof import Verdict
    from slipway.report.proof.text import summary
    from slipway.source import commit_at

    since: str | None = "HEAD"
    try:
        commit_at(flags.source)
    except SlipwayError:
        since = None  # there is no commit yet
    try:
        proof = await gate(GateOptions(source=flags.source, python=flags.python, since=since))
    except SlipwayError as error:
        return replace(adopted, gate=f"the gate could not run: {error}", passed=False)
    errors = tuple(finding for finding in proof.findings if finding.fails)
    executed = proof.coverage.revisions > 0
    reason = "" if executed else f": {next(iter(proof.coverage.gaps), '')}"
    passed = executed and proof.verdict is Verdict.PASS
    return replace(adopted, gate=f"{summary(proof)}{reason}", errors=errors, passed=passed)
