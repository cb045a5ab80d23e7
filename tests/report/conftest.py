"""Small records, made by hand, with something of everything."""

import pytest

from slipway.records.proof import (
    Blocked,
    Coverage,
    Finding,
    Level,
    Proof,
    Revision,
    Statement,
    Verdict,
    Versions,
)
from slipway.records.rehearsal import Act, Rehearsal, Step, Traffic


@pytest.fixture
def proof() -> Proof:
    """A history of two revisions: one blocks writes, the other has something to know."""
    index = Statement(
        sql="CREATE INDEX ix_notes_title ON notes (title)",
        line=10,
        transaction=True,
        locks={"notes": "SHARE"},
        rewrites=(),
        builds=("notes",),
        scans=(),
        blocks={"notes": Blocked(read=False, write=True)},
        measured=True,
        ms=0.4,
    )
    return Proof(
        gate=Versions("0.1.0", "3.12.1", "2.1.9", "1.20.1", "psycopg"),
        postgres="18.1",
        history="sha256:0123",
        heads=("f10c",),
        revisions=(
            Revision("e731", (), "migrations/e731_create.py", new=False, statements=(), fingerprints={"up": "1"}),
            Revision("f10c", ("e731",), "migrations/f10c_index.py", new=True, statements=(index,), fingerprints={}),
        ),
        findings=(
            Finding(
                "M03",
                Level.ERROR,
                "Building an index blocks every write to notes.",
                revision="f10c",
                file="migrations/f10c_index.py",
                line=10,
                measured="SHARE on notes; an INSERT had to wait",
                remedy='with op.get_context().autocommit_block():\n    op.create_index("ix", "notes", ["title"])',
            ),
            Finding(
                "D01",
                Level.WARNING,
                "The models differ.",
                measured="notes.colour",
                remedy="Write a revision.",
            ),
            Finding(
                "R02", Level.ERROR, "Old news.", revision="e731", file="migrations/e731_create.py", suppressed="old"
            ),
        ),
        coverage=Coverage(revisions=2, new=1, statements=1, gaps=("the cluster's roles",)),
        verdict=Verdict.FAIL,
        seconds={"load": 0.25, "stairway": 1.0},
    )


@pytest.fixture
def rehearsal() -> Rehearsal:
    """A play of two acts, of which the second did not go as told."""
    return Rehearsal(
        service="notes",
        revision="0123456789abcdef",
        postgres="PostgreSQL 18.1 from this machine",
        speed=60.0,
        acts=(
            Act(
                name="I",
                title="the release goes to production",
                happened="SUCCEEDED 0123",
                how="processes",
                as_told=True,
                seconds=5.12,
                steps=(Step("built it", 1.0), Step("deployed it", 4.0, 297.0)),
            ),
            Act(
                name="II",
                title="the gate refuses",
                happened="the gate let it pass",
                how="its own Python",
                as_told=False,
                seconds=1.5,
                details=("measured: nothing", "instead: nothing"),
            ),
        ),
        traffic=Traffic(100, 0, 5.0, 0.1),
    )
