"""The way out when the live release does not answer. Pure."""

from slipway.records.answer import Answer
from slipway.release.engine.compatibility import heads_as_text


def way_out(environment: str, answer: Answer, back: str, *, migrated: bool = False) -> str:
    """Return what to do about a problem of the live release; empty without a problem. `migrated`: its own deployment changed the schema.

    `back` is the command that goes back, or empty. A rollback does not mend a database, and does not migrate one back.
    """
    if not answer.problem:
        return ""
    where = f"--environment {environment}"
    look = f"look at its log with `slipway logs {where}`"
    if answer.is_without_database:
        return f"{look}, and at the database and the network to it; a rollback would not help: each release uses this database"
    if migrated:
        return f"{look}; the database was migrated, so deploy a commit with a revision that repairs it, unless a certificate of the gate says that the release before works on this schema"
    known = answer.known
    if known and known.image is not None and known.database is not None and set(known.image) != set(known.database):
        return (
            f"go forward: the live release knows revision {heads_as_text(known.image)}, and the database is at {heads_as_text(known.database)}; "
            "deploy a commit that works on that schema, as a rollback does not migrate the database back"
        )
    return "; ".join(filter(None, [look, back]))
