"""The result of every command in each form in which it is read: JSON, text, Markdown, step outputs, exit code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.records.adoption import Adoption
from slipway.records.bootstrap import Bootstrap, Permissions
from slipway.records.certificate import Certificate, Validity
from slipway.records.checks import DoctorReport, Preflight
from slipway.records.command import CacheReport, Listening
from slipway.records.conformance import Conformance, Estimate, Left
from slipway.records.form import Record, to_json
from slipway.records.ledger import Address, History, Situation
from slipway.records.logs import Log, LogLine
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Examination, Outcome
from slipway.records.plan import Action, Plan
from slipway.records.proof import Proof
from slipway.records.refusal import Refusal
from slipway.records.rehearsal import Rehearsal
from slipway.records.secrets import SecretList, SecretVersion
from slipway.records.services import Proofs, Services
from slipway.report import adoption as adoption_text
from slipway.report import rehearsal, release, release_markdown
from slipway.report import text as plain
from slipway.report.format import fenced, heads
from slipway.report.proof import services
from slipway.report.proof.text import markdown as proof_markdown
from slipway.report.proof.text import text as proof_text
from slipway.untrusted import one_line, printable


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The result of one command.

    - record: a Record, for `--json`; None without one. text: for a terminal. code: the exit code.
    - markdown: for the job summary; empty when the job needs none. outputs: for later steps of the job.
    """

    record: Any
    text: str
    code: int = 0
    markdown: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def _fenced(record: Record, text: str, code: int = 0, **outputs: str) -> CommandResult:
    """Return a result whose Markdown is its text."""
    return CommandResult(record=record, text=text, code=code, markdown=fenced(text), outputs=outputs)


def of_plan(plan: Plan) -> CommandResult:
    return CommandResult(
        record=plan,
        text=release.of_plan(plan),
        code=1 if plan.action is Action.BLOCKED else 0,
        markdown=release_markdown.of_plan(plan),
        outputs={"action": plan.action.value, "image": plan.image, "reason": plan.reason},
    )


def of_outcome(outcome: Outcome) -> CommandResult:
    return CommandResult(
        record=outcome,
        text=release.of_outcome(outcome),
        code=outcome.status.exit_code,
        markdown=release_markdown.of_outcome(outcome),
        outputs={
            "status": outcome.status.value,
            "number": str(outcome.number or ""),
            "requested": outcome.requested,
            "live": outcome.live or "",
            "url": outcome.url or "",
            "operation": outcome.operation or "",
            "cause": outcome.diagnosis.cause if outcome.diagnosis else "",
        },
    )


def of_examination(examination: Examination) -> CommandResult:
    return CommandResult(
        record=examination,
        text=release.of_examination(examination),
        code=examination.exit_code,
        markdown=release_markdown.of_examination(examination),
        outputs={"ending": examination.ending, "operation": examination.operation or ""},
    )


def of_situation(situation: Situation) -> CommandResult:
    observed = situation.observed
    return CommandResult(
        record=situation,
        text=release.of_situation(situation),
        markdown=release_markdown.of_situation(situation),
        outputs={
            "state": observed.status or "",
            "live": observed.digest or "",
            "number": str(situation.live.number) if situation.live else "",
            "url": observed.url or "",
            "operation": observed.operation or "",
        },
    )


def of_history(history: History) -> CommandResult:
    """The outputs describe the newest deployment that has ended."""
    newest = history.releases[0] if history.releases else None
    return CommandResult(
        record=history,
        text=release.of_history(history),
        markdown=release_markdown.of_history(history),
        outputs={
            "number": str(newest.number) if newest else "",
            "status": newest.status.value if newest else "",
            "live": (newest and newest.live) or "",
        },
    )


def of_address(address: Address) -> CommandResult:
    url = one_line(address.url)
    return CommandResult(record=address, text=f"{url}\n", outputs={"url": url})


def of_log(log: Log) -> CommandResult:
    return CommandResult(record=log, text=release.of_log(log))


def of_log_line(line: LogLine) -> CommandResult:
    return CommandResult(record=line, text=f"{release.of_log_line(line)}\n")


def of_secret_list(record: SecretList) -> CommandResult:
    return CommandResult(record=record, text=plain.of_secret_list(record), code=1 if record.missing else 0)


def of_secret_version(record: SecretVersion) -> CommandResult:
    return CommandResult(record=record, text=plain.of_secret_version(record))


def of_permissions(permissions: Permissions) -> CommandResult:
    """The text is the policy alone, ready to be saved as a file."""
    return CommandResult(record=permissions, text=f"{printable(permissions.policy)}\n")


def of_bootstrap(record: Bootstrap) -> CommandResult:
    well = all(stack.result.is_well for stack in record.stacks)
    return _fenced(record, plain.of_bootstrap(record), 0 if well else 1)


def of_proof(proof: Proof) -> CommandResult:
    return CommandResult(
        record=proof,
        text=proof_text(proof),
        code=1 if proof.failures and not proof.advisory else 0,
        markdown=proof_markdown(proof.in_repository()),
        outputs={"verdict": proof.verdict.value, "errors": str(len(proof.failures))},
    )


def of_proofs(proofs: Proofs) -> CommandResult:
    errors = sum(len(proof.failures) for proof in proofs.proven)
    return CommandResult(
        record=proofs,
        text=services.text(proofs),
        code=proofs.exit_code,
        markdown=services.markdown(proofs),
        outputs={"verdict": proofs.verdict.value, "errors": str(errors)},
    )


def of_services(record: Services) -> CommandResult:
    """The text has one folder a line, for a shell; the output is a list for the matrix of a workflow."""
    folders = [service.folder for service in record.services]
    text = "".join(f"{one_line(folder)}\n" for folder in folders)
    return CommandResult(record=record, text=text, outputs={"folders": json.dumps(folders)})


def of_preflight(record: Preflight) -> CommandResult:
    refusal = record.refusals[0].found if record.refusals else ""
    return _fenced(record, plain.of_preflight(record), 1 if refusal else 0, image=record.image, refusal=refusal)


def of_rehearsal(record: Rehearsal) -> CommandResult:
    return _fenced(record, rehearsal.text(record), 0 if record.passed else 1)


def of_checkup(report: DoctorReport) -> CommandResult:
    return _fenced(report, plain.of_checkup(report), 0 if report.healthy else 1)


def of_adoption(adoption: Adoption) -> CommandResult:
    """Red for obstacles, drift, and what the gate found."""
    good = not adoption.obstacles and not adoption.drift and adoption.passed is not False
    return _fenced(adoption, adoption_text.of_adoption(adoption), 0 if good else 1)


def of_cache(report: CacheReport) -> CommandResult:
    return CommandResult(record=report, text=plain.of_cache(report))


def of_certificate(certificate: Certificate) -> CommandResult:
    """The text is the JSON, ready to be saved as a file."""
    return CommandResult(record=certificate, text=to_json(certificate))


def of_validity(validity: Validity) -> CommandResult:
    pair = f"from {heads(validity.before, 'an empty database')} to {heads(validity.after, 'an empty database')}"
    text = f"valid: {pair}" if validity.holds else f"not valid: {one_line(validity.why_not or '', 1000)}"
    outputs = {"why-not": validity.why_not or ""}
    return CommandResult(record=validity, text=f"{text}\n", code=0 if validity.holds else 1, outputs=outputs)


def of_migration(record: Migration, environment: str) -> CommandResult:
    text = plain.of_migration(record, environment)
    return _fenced(record, text, applied=str(len(record.applied)), head=",".join(record.after))


def of_standing(standing: Standing, environment: str) -> CommandResult:
    """A database ahead of the release fails: no upgrade leads from there to the release's head."""
    text, code = plain.of_standing(standing, environment), 1 if standing.unknown else 0
    return _fenced(standing, text, code, head=",".join(standing.database), missing=str(len(standing.missing)))


def of_listening(listening: Listening) -> CommandResult:
    """The text is one line, because the process that starts the simulator reads one line."""
    text = f"listening on {one_line(listening.url)}\n"
    return CommandResult(record=listening, text=text, outputs={"url": listening.url})


def of_conformance(record: Conformance) -> CommandResult:
    return _fenced(record, plain.of_conformance(record), record.exit_code, differing=str(len(record.differing)))


def of_estimate(estimate: Estimate) -> CommandResult:
    return CommandResult(record=estimate, text=plain.of_estimate(estimate, "a real account"))


def of_left(left: Left) -> CommandResult:
    """The reasons were printed while the run deleted its resources."""
    text = f"{len(left.things)} resources could not be deleted" if left.things else "everything was deleted"
    return CommandResult(record=left, text=f"{text}\n", code=3 if left.things else 0)


def of_refusal(refusal: Refusal) -> CommandResult:
    """Render an error; the text is empty because its sentence goes to standard error."""
    markdown = release_markdown.of_refusal(refusal)
    outputs = {"error": f"{refusal.what}: {refusal.next_step}"}
    return CommandResult(record=refusal, text="", code=refusal.exit_code, markdown=markdown, outputs=outputs)


def step_outputs(values: Mapping[str, str], delimiter: str) -> str:
    """Render the file that `$GITHUB_OUTPUT` names; an unguessable delimiter keeps a value from starting another output."""
    return "".join(f"{name}<<{delimiter}\n{printable(value)}\n{delimiter}\n" for name, value in values.items())
