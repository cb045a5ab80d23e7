"""The page about what programs read: which verb prints which record, exit codes, and the schema of each record."""

import docstrings
import record_schemas

from slipway.records.bootstrap import Bootstrap, Permissions
from slipway.records.certificate import Certificate, Validity
from slipway.records.conformance import Conformance, Estimate, Left
from slipway.records.doctor import DoctorReport
from slipway.records.form import schema_of
from slipway.records.ledger import History, Situation
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Examination, Outcome
from slipway.records.plan import Plan
from slipway.records.preflight import Preflight
from slipway.records.proof import Proof
from slipway.records.refusal import Listening, Refusal
from slipway.records.rehearsal import Rehearsal

_INTRODUCTION = """\
Every verb of `slipway` has `--json`: its answer is then one record, and nothing else is on standard output. What it says on the way, and the sentence of
an error, go to standard error. The first field, `schema`, names the record and its version; each has a JSON Schema in [schemas](schemas).

Within a version fields may be added, and none is taken away or means something else: ignore what you do not know. Times are seconds, digests
`sha256:…`. Texts from logs and from AWS are as they were found, and may hold anything that JSON can.

    slipway status --environment production --json | jq --raw-output .observed.digest"""
_CODES = """\
| exit code | what it means | standard output with `--json` |
| --- | --- | --- |
| 0 | yes: for a deployment, that what was asked for is live and healthy | the record |
| 1 | the answer is no | the record; or a refusal, when it could not even be tried |
| 2 | bad input, also a command line that cannot be read: nothing has been touched | a refusal |
| 3 | nobody knows: a time-out, a lost answer; the same command again finds out | the record, or a refusal |
| 130 | interrupted; what the platform has begun goes on | nothing |"""

# In the order of their help. A verb that is missing here is missed by a test.
PRINTED: dict[str, tuple[tuple[type, str], ...]] = {
    "gate": ((Proof, "1 when a finding fails it"),),
    "certificate": (
        (Certificate, "with `--proof`; 1 and a refusal when the gate refused"),
        (Validity, "with `--check`; 1 when it does not hold"),
    ),
    "rehearse": ((Rehearsal, "1 when an act did not go as told"),),
    "simulator": ((Listening, "in one line, as soon as it can be asked; it runs until it is ended"),),
    "preflight": ((Preflight, "1 when something is refused; what is not covered is no reason"),),
    "plan": ((Plan, "1 when it is blocked"),),
    "deploy": ((Outcome, "0 for SUCCEEDED and NOOP, 3 for UNKNOWN, 1 for every other status"),),
    "status": ((Situation, "0 also when nothing is there: `observed.status` is null then"),),
    "history": ((History, ""),),
    "promote": ((Outcome, "as for `deploy`"), (Plan, "with `--dry-run`")),
    "rollback": ((Outcome, "as for `deploy`"), (Plan, "with `--dry-run`")),
    "migrate": (
        (Migration, ""),
        (Standing, "with `--look`; 1 when the database is ahead of the image"),
    ),
    "bootstrap": ((Bootstrap, "1 when a stack could not be made; without `--apply` nothing is made"),),
    "permissions": ((Permissions, ""),),
    "conformance": (
        (Conformance, "1 when something differs, 3 when something was not reached or could not be deleted"),
        (Estimate, "with `--estimate`"),
        (Left, "with `--clean-up`; 3 when something could not be deleted"),
    ),
    "diagnose": ((Examination, "0 when nothing has failed, 1 when something has, 3 while it goes on"),),
    "pause": ((Outcome, "as for `deploy`"), (Plan, "with `--dry-run`")),
    "resume": ((Outcome, "as for `deploy`"), (Plan, "with `--dry-run`")),
    "destroy": ((Outcome, "as for `deploy`"), (Plan, "with `--dry-run`")),
    "doctor": ((DoctorReport, "1 when a look ended in NG"),),
}


def page() -> str:
    """The whole page."""
    verbs = [f"| `{verb}` | {_link(kind)} | {words} |" for verb, kinds in PRINTED.items() for kind, words in kinds]
    printed = {kind for kinds in PRINTED.values() for kind, _ in kinds} | {Refusal}
    others = [kind for kind in record_schemas.kinds() if kind not in printed]
    parts = [
        "# JSON, and exit codes",
        _INTRODUCTION,
        "## What each verb prints",
        "\n".join(["| verb | record | exit code, and when |", "| --- | --- | --- |", *verbs]),
        "## Exit codes",
        _CODES,
        f"A refusal is {_link(Refusal)}: {docstrings.sentences(Refusal)}",
        "## Other records",
        "In files, in the ledger, and between processes of slipway; no verb prints them alone.",
        "\n".join(f"- {_link(kind)}: {docstrings.sentences(kind)}" for kind in others),
    ]
    return "\n\n".join(parts) + "\n"


def _link(kind: type) -> str:
    return f"[{schema_of(kind)}](schemas/{record_schemas.file_of(kind)})"
