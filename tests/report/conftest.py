"""Small records, made by hand, with something of everything."""

from dataclasses import replace

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
from slipway.records.rehearsal import Act, Moment, Rehearsal, Step, Traffic


def statement(sql: str, **known: object) -> Statement:
    """A statement without effect, except for the given fields."""
    plain = Statement(
        sql=sql, line=12, transaction=True, locks={}, rewrites=(), builds=(), scans=(), blocks={}, measured=True, ms=0.4
    )
    return replace(plain, **known)


READERS, WRITERS = Blocked(read=True, write=True), Blocked(read=False, write=True)
WIDEN = (
    statement("SET lock_timeout = '1s'"),
    statement(
        "ALTER TABLE orders ALTER COLUMN id TYPE bigint",
        locks={"orders": "ACCESS EXCLUSIVE"},
        rewrites=("orders",),
        scans=("orders",),
        blocks={"orders": READERS},
    ),
    statement(
        "CREATE INDEX ix_users_name ON users (name) " + "WHERE name <> '' AND deleted_at IS NULL " * 4,
        locks={"users": "SHARE"},
        builds=("users",),
        blocks={"orders": READERS, "users": WRITERS},
    ),
    statement(
        "ALTER TABLE notes VALIDATE CONSTRAINT ck",
        locks={"notes": "SHARE UPDATE EXCLUSIVE"},
        scans=("notes",),
        blocks={"orders": READERS, "users": WRITERS},
    ),
)
CONCURRENTLY = (
    statement("UPDATE users SET name = ''", locks={"users": "ROW EXCLUSIVE"}, scans=("users",)),
    statement("CREATE INDEX CONCURRENTLY ix ON users (name)", transaction=False, measured=False),
    statement("ALTER TABLE users ADD COLUMN age int", locks={"users": "ACCESS EXCLUSIVE"}, blocks={"users": READERS}),
)


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
        gate=Versions(gate="0.1.0", python="3.12.1", sqlalchemy="2.1.9", alembic="1.20.1", driver="psycopg"),
        postgres="18.1",
        history="sha256:0123",
        heads=("f10c",),
        revisions=(
            Revision(
                id="e731", down=(), file="migrations/e731_create.py", new=False, statements=(), fingerprints={"up": "1"}
            ),
            Revision(
                id="f10c",
                down=("e731",),
                file="migrations/f10c_index.py",
                new=True,
                statements=(index,),
                fingerprints={"up": "2"},
            ),
        ),
        findings=(
            Finding(
                rule="M03",
                level=Level.ERROR,
                message="Building an index blocks every write to notes.",
                revision="f10c",
                file="migrations/f10c_index.py",
                line=10,
                measured="SHARE on notes; an INSERT had to wait",
                remedy='with op.get_context().autocommit_block():\n    op.create_index("ix", "notes", ["title"])',
                remedy_is_code=True,
            ),
            Finding(
                rule="D01",
                level=Level.WARNING,
                message="The models differ.",
                measured="notes.colour",
                remedy="Write a revision.",
            ),
            Finding(
                rule="R02",
                level=Level.ERROR,
                message="Old news.",
                revision="e731",
                file="migrations/e731_create.py",
                suppressed="old",
            ),
        ),
        coverage=Coverage(revisions=2, new=1, statements=1, gaps=("the cluster's roles",)),
        verdict=Verdict.FAIL,
        seconds={"load": 0.25, "stairway": 1.0},
    )


@pytest.fixture
def branched() -> Proof:
    """Ninety old revisions in a line, a branch and a merge, two more heads, a base apart; new ones with every kind of lock."""
    line = [(f"old{number:02}", (f"old{number - 1:02}",) if number else ()) for number in range(90)]
    fork = [
        ("left1", ("old89",)),
        ("right1", ("old89",)),
        ("left2", ("left1",)),
        ("merged", ("left2", "right1")),
        ("apart", ()),
    ]
    old = (
        Revision(id=name, down=down, file=f"versions/{name}.py", new=False, statements=(), fingerprints={"up": "1"})
        for name, down in (*line, *fork)
    )
    new = (
        Revision(
            id=name,
            down=down,
            file=f"versions/{name}.py",
            new=True,
            statements=statements,
            fingerprints={"up": "1"},
            rows={"orders": 3, "users": 0},
        )
        for name, down, statements in (
            ("widen", ("merged",), WIDEN),
            ("index", ("widen",), CONCURRENTLY),
            ("other", ("right1",), ()),
            ("join", ("index", "apart"), (statement("SELECT 1"),)),
        )
    )
    return Proof(
        gate=Versions(gate="0.1.0", python="3.12.1", sqlalchemy="2.1.9", alembic="1.20.1", driver="psycopg"),
        postgres="18.1",
        history="0123",
        heads=("join", "other"),
        revisions=(*old, *new),
        findings=(
            Finding(
                rule="G01",
                level=Level.ERROR,
                message="There are several heads.",
                measured="join, other",
                remedy="alembic merge heads",
            ),
            Finding(
                rule="L11",
                level=Level.ERROR,
                message="Changing the type rewrites the table while nobody can read or write it.",
                revision="widen",
                file="versions/widen.py",
                line=12,
                measured="holds ACCESS EXCLUSIVE on orders while it rewrites orders",
                remedy="Add a column of the new type, write both, copy in batches.",
            ),
            *(
                Finding(
                    rule="R01",
                    level=Level.WARNING,
                    message="Its downgrade does nothing.",
                    revision=name,
                    file=f"versions/{name}.py",
                    measured="no statement",
                )
                for name in ("widen", "index", "other", "join")
            ),
            *(
                Finding(
                    rule="L01",
                    level=Level.ERROR,
                    message="Building an index stops writes.",
                    revision=name,
                    file=file,
                    line=9,
                    suppressed="older than start-after",
                )
                for name, file in ((name, f"versions/{name}.py") for name, _ in line)
            ),
            Finding(
                rule="L08",
                level=Level.ERROR,
                message="A valid foreign key.",
                revision="join",
                file="versions/join.py",
                line=4,
                suppressed="ten rows",
            ),
        ),
        coverage=Coverage(
            revisions=99,
            new=4,
            statements=7,
            gaps=("the cluster's roles",),
            tables=3,
            filled=2,
        ),
        verdict=Verdict.FAIL,
        seconds={"load": 0.25, "stairway": 61.0},
    )


@pytest.fixture
def rehearsal() -> Rehearsal:
    """A play of two acts, of which the second failed."""
    return Rehearsal(
        service="notes",
        revision="0123456789abcdef",
        postgres="PostgreSQL 18.1 from this machine",
        acts=(
            Act(
                name="I",
                title="the release goes to production",
                happened="SUCCEEDED 0123",
                how="processes",
                passed=True,
                seconds=5.12,
                steps=(
                    Step("built it", 1.0),
                    Step(
                        "deployed it", 4.0, 297.0, (Moment(7.2, "SHIFT: 5 % of the traffic"), Moment(90, "<deployed>"))
                    ),
                ),
            ),
            Act(
                name="II",
                title="the gate refuses",
                happened="the gate let it pass",
                how="its own Python",
                passed=False,
                seconds=1.5,
                details=("measured: nothing", "instead: nothing"),
            ),
        ),
        traffic=Traffic(requests=100, failed=0, seconds=5.0, longest_gap=0.1),
    )
