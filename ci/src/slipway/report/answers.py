"""What a verb answers, in each form in which somebody reads it: a program, a person, a job of GitHub's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipway.records.bootstrap import Bootstrap, Permissions
from slipway.records.certificate import Certificate, Validity
from slipway.records.conformance import Conformance, Estimate, Left
from slipway.records.doctor import DoctorReport
from slipway.records.form import to_json
from slipway.records.ledger import History, Situation
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Examination, Outcome
from slipway.records.plan import Action, Plan
from slipway.records.preflight import Preflight
from slipway.records.proof import Proof
from slipway.records.refusal import Listening, Refusal
from slipway.records.rehearsal import Rehearsal
from slipway.report import (
    bootstrap_text,
    conformance_text,
    doctor_text,
    migration_text,
    preflight_text,
    proof_text,
    rehearsal_text,
    release_markdown,
    release_text,
)
from slipway.report.markdown import fenced
from slipway.report.proof_markdown import markdown as proof_markdown
from slipway.untrusted import one_line


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    - record: with a SCHEMA, for `--json`. text: the same for a terminal. code: the exit code.
    - markdown: for the summary of a job; empty when it would only fill it. outputs: what later steps of the job may ask for.
    """

    record: Any
    text: str
    code: int = 0
    markdown: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def of_plan(plan: Plan) -> Answer:
    code = 1 if plan.action is Action.BLOCKED else 0
    outputs = {"action": plan.action.value, "image": plan.image, "reason": plan.reason}
    return Answer(
        record=plan,
        text=release_text.of_plan(plan),
        code=code,
        markdown=release_markdown.of_plan(plan),
        outputs=outputs,
    )


def of_outcome(outcome: Outcome) -> Answer:
    text, markdown = release_text.of_outcome(outcome), release_markdown.of_outcome(outcome)
    outputs = {
        "status": outcome.status.value,
        "number": str(outcome.number or ""),
        "requested": outcome.requested,
        "live": outcome.live or "",
        "url": outcome.url or "",
        "operation": outcome.operation or "",
        "cause": outcome.diagnosis.cause if outcome.diagnosis else "",
    }
    return Answer(record=outcome, text=text, code=outcome.status.exit_code, markdown=markdown, outputs=outputs)


def of_examination(examination: Examination) -> Answer:
    text = release_text.of_examination(examination)
    outputs = {"ending": examination.ending, "operation": examination.operation or ""}
    return Answer(
        record=examination,
        text=text,
        code=examination.exit_code,
        markdown=release_markdown.of_examination(examination),
        outputs=outputs,
    )


def of_situation(situation: Situation) -> Answer:
    observed = situation.observed
    outputs = {
        "state": observed.status or "",
        "live": observed.digest or "",
        "number": str(situation.live.number) if situation.live else "",
        "url": observed.url or "",
        "operation": observed.operation or "",
    }
    return Answer(
        record=situation,
        text=release_text.of_situation(situation),
        code=0,
        markdown=release_markdown.of_situation(situation),
        outputs=outputs,
    )


def of_history(history: History) -> Answer:
    """For later steps the newest deployment that has ended."""
    newest = history.releases[0] if history.releases else None
    outputs = {
        "number": str(newest.number) if newest else "",
        "status": newest.status.value if newest else "",
        "live": (newest and newest.live) or "",
    }
    return Answer(
        record=history,
        text=release_text.of_history(history),
        code=0,
        markdown=release_markdown.of_history(history),
        outputs=outputs,
    )


def of_permissions(permissions: Permissions) -> Answer:
    """A policy is a file: what is printed is kept."""
    return Answer(record=permissions, text=f"{permissions.policy}\n")


def of_bootstrap(bootstrap: Bootstrap) -> Answer:
    text = bootstrap_text.text(bootstrap)
    return Answer(
        record=bootstrap,
        text=text,
        code=0 if all(stack.result.is_well for stack in bootstrap.stacks) else 1,
        markdown=fenced(text),
    )


def of_proof(proof: Proof) -> Answer:
    outputs = {"verdict": proof.verdict.value, "errors": str(len(proof.failures))}
    return Answer(
        record=proof,
        text=proof_text.text(proof),
        code=1 if proof.failures else 0,
        markdown=proof_markdown(proof),
        outputs=outputs,
    )


def of_preflight(preflight: Preflight) -> Answer:
    text = preflight_text.text(preflight)
    refusal = preflight.refusals[0].found if preflight.refusals else ""
    return Answer(
        record=preflight,
        text=text,
        code=1 if refusal else 0,
        markdown=fenced(text),
        outputs={"image": preflight.image, "refusal": refusal},
    )


def of_rehearsal(rehearsal: Rehearsal) -> Answer:
    text = rehearsal_text.text(rehearsal)
    return Answer(record=rehearsal, text=text, code=0 if rehearsal.passed else 1, markdown=fenced(text))


def of_checkup(checkup: DoctorReport) -> Answer:
    text = doctor_text.text(checkup)
    return Answer(record=checkup, text=text, code=0 if checkup.healthy else 1, markdown=fenced(text))


def of_certificate(certificate: Certificate) -> Answer:
    """A certificate is a file: what is printed is kept."""
    return Answer(record=certificate, text=to_json(certificate))


def of_validity(validity: Validity) -> Answer:
    way = f"from {_heads(validity.before)} to {_heads(validity.after)}"
    text = f"holds: {way}" if validity.holds else f"does not hold: {one_line(validity.why_not or '', 1000)}"
    return Answer(
        record=validity, text=f"{text}\n", code=0 if validity.holds else 1, outputs={"why-not": validity.why_not or ""}
    )


def of_migration(migration: Migration, environment: str) -> Answer:
    text = migration_text.of_migration(migration, environment)
    outputs = {"applied": str(len(migration.applied)), "head": ",".join(migration.after)}
    return Answer(record=migration, text=text, code=0, markdown=fenced(text), outputs=outputs)


def of_standing(standing: Standing, environment: str) -> Answer:
    """A database that is ahead of the release is a no: it cannot be brought to that release's head."""
    text = migration_text.of_standing(standing, environment)
    outputs = {"head": ",".join(standing.database), "missing": str(len(standing.missing))}
    return Answer(record=standing, text=text, code=1 if standing.unknown else 0, markdown=fenced(text), outputs=outputs)


def of_listening(listening: Listening) -> Answer:
    """What starts it reads one line."""
    return Answer(record=listening, text=f"listening on {listening.url}\n", outputs={"url": listening.url})


def of_conformance(found: Conformance) -> Answer:
    text = conformance_text.text(found)
    return Answer(
        record=found,
        text=text,
        code=found.exit_code,
        markdown=fenced(text),
        outputs={"differing": str(len(found.differing))},
    )


def of_estimate(estimate: Estimate) -> Answer:
    return Answer(record=estimate, text=conformance_text.of_estimate(estimate, "a real account"))


def of_left(left: Left) -> Answer:
    """What is left was told on the way, with the reasons."""
    text = f"{len(left.things)} could not be deleted" if left.things else "nothing is left"
    return Answer(record=left, text=f"{text}\n", code=3 if left.things else 0)


def of_refusal(refusal: Refusal) -> Answer:
    """What an error answers instead; a person reads its sentence on standard error."""
    outputs = {"error": f"{refusal.what}: {refusal.next_step}"}
    return Answer(
        record=refusal, text="", code=refusal.exit_code, markdown=release_markdown.of_refusal(refusal), outputs=outputs
    )


def _heads(revisions: Sequence[str]) -> str:
    return one_line(", ".join(revisions)) or "an empty database"
