"""Make the certificate of a proof, and check whether a certificate is valid for a folder and a database."""

import hashlib
from collections.abc import Collection

from slipway.errors import RefusedError
from slipway.records.certificate import Certificate, Ternary, Verdicts
from slipway.records.form import from_json
from slipway.records.gate import Listing
from slipway.records.proof import Implication, Proof, Revision


def certificate_in(text: str, made: int) -> Certificate:
    """Read a certificate, or make one when the text is a proof."""
    return certify(text, made) if Proof.SCHEMA in text[:100] else from_json(Certificate, text, "the certificate")


def certify(text: str, made: int) -> Certificate:
    """Return the certificate of a proof, which is read from its text.

    Raise RefusedError when the gate refused the history. The exception is a history on whose schema the previous
    release works: a rollback needs nothing more.
    """
    proof = from_json(Proof, text, "the proof")
    if omitted := proof.coverage.omitted:
        raise RefusedError(
            f"the proof is incomplete (not tested: {', '.join(omitted)})", "run `slipway gate` with all layers"
        )
    if proof.unexecuted:
        raise RefusedError(
            f"the proof is incomplete (not executed: {', '.join(proof.unexecuted)})",
            "repair the first revision that the gate's report names, and run `slipway gate` again",
        )
    certificate = Certificate(
        history=proof.history,
        previous=proof.coverage.previous,
        statements=proof.coverage.previous_digest,
        before=heads_before(proof),
        after=proof.heads,
        revisions=tuple(_verdicts(proof, revision) for revision in proof.revisions if revision.new),
        postgres=proof.postgres,
        gate=proof.gate.gate,
        made=made,
        evidence=_digest(text),
        transactions=proof.coverage.transactions,
        calls=proof.coverage.calls,
        called_by=proof.coverage.called_by,
        refused=tuple(dict.fromkeys(finding.rule for finding in proof.failures)),
    )
    if certificate.refused and (why := _why_unproven(certificate)):
        broken = any(revision.compatible is Ternary.NO for revision in certificate.revisions)
        raise RefusedError(
            f"the gate refused this history ({', '.join(certificate.refused)}), and {why}",
            "that release answers errors on the new schema, so deploy a fix: docs/how-to/roll-back.md, `A hot fix on a newer schema`"
            if broken
            else "mend what the proof names, or continue without a certificate: `slipway rollback --without-certificate REASON`",
        )
    return certificate


def _why_unproven(certificate: Certificate) -> str:
    """Return why the previous release may not work on the new schema, with a known breakage first.

    Return an empty text when it works after each revision.
    """
    for revision in sorted(certificate.revisions, key=lambda each: each.compatible is not Ternary.NO):
        if revision.compatible is not Ternary.YES:
            breaks = revision.compatible is Ternary.NO
            return f"the revision {revision.id} {'breaks' if breaks else 'was not tried with'} the previous release"
    return "" if certificate.revisions else "it has no new revision"


def heads_before(proof: Proof) -> tuple[str, ...]:
    """Return the heads of a database that has run all old revisions and no new one."""
    old = [revision for revision in proof.revisions if not revision.new]
    followed = {parent for revision in old for parent in revision.down}
    return tuple(sorted({*proof.begun, *(revision.id for revision in old)} - followed))


def why_not(certificate: Certificate, listing: Listing, live: Collection[str] | None, proof: str | None) -> str | None:
    """Return why a certificate is not valid for this history, the live heads and the passed proof; None when it is valid."""
    if certificate.history != listing.digest:
        return "the revisions differ from those that were tested"
    if live is not None and set(live) != set(certificate.before):
        tested = ", ".join(certificate.before) or "an empty database"
        return f"it was tested from {tested} on, and the database is at {', '.join(live) or 'no revision'}"
    if proof is not None and _digest(proof) != certificate.evidence:
        return "the proof is not the one that the certificate was made from"
    return None


def _verdicts(proof: Proof, revision: Revision) -> Verdicts:
    """Derive a revision's verdicts from the implications of its findings, including findings that a comment suppresses."""
    implied = {each for finding in proof.findings if revision.id in finding.revisions for each in finding.implies}
    seen = "up" in revision.fingerprints
    measured = all(statement.measured for statement in revision.statements)
    tried = all(statement.transaction for statement in revision.statements) or revision.interruptions > 0
    return Verdicts(
        id=revision.id,
        rerunnable=_ternary(Implication.NOT_RERUNNABLE not in implied, known=seen and tried),
        compatible=_ternary(
            Implication.INCOMPATIBLE not in implied, known=seen and proof.coverage.previous_statements > 0
        ),
        blocking=_ternary(Implication.BLOCKING in implied, known=seen and measured),
        reversible=_ternary(Implication.IRREVERSIBLE not in implied, known=seen),
        destructive=_ternary(Implication.DESTRUCTIVE in implied, known=seen and proof.coverage.tables > 0),
    )


def _ternary(yes: bool, *, known: bool) -> Ternary:  # noqa: FBT001 -- the value converted
    if not known:
        return Ternary.UNKNOWN
    return Ternary.YES if yes else Ternary.NO


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
