"""Old revisions are upgraded once per run, and once in all on a server that persists."""

import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from slipway.gate.databases import create, fresh
from slipway.gate.layers import from_empty
from slipway.gate.prove import prove
from slipway.migration.database import RELATIONS, with_connection
from slipway.records.proof import Layer
from tests.gate.conftest import ENV, question

pytestmark = pytest.mark.slow

RUNS = "with open('runs', 'a') as runs:\n    runs.write('x')"
CREATE = f"{RUNS}\nop.create_table('a', sa.Column('id', sa.Integer(), primary_key=True))"
HISTORY = {
    "one": (None, CREATE, "op.drop_table('a')"),
    "two": ("one", "op.add_column('a', sa.Column('b', sa.Integer()))", ""),
    "three": ("two", "op.create_index('ix', 'a', ['b'])", "op.drop_index('ix')"),
}


@pytest.fixture
def kept(server_url):
    """The templates on the server."""
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def names():
        with engine.connect() as connection:
            return connection.scalars(sa.text("SELECT datname FROM pg_database WHERE datname LIKE 'slipway%'")).all()

    yield names
    with engine.connect() as connection:
        for name in names():
            connection.execute(sa.text(f"DROP DATABASE {name}"))


@pytest.fixture
def prove_again(write_project, server_url, kept):
    """Proves the history on a server that persists; returns the result and how often the first revision was run.

    Its templates end with the test, because of `kept`.
    """
    config = write_project(HISTORY, ini="[alembic]\nscript_location = migrations\n")

    def run(start_after="two", **more):
        Path("runs").write_text("")
        asked = {"layers": (Layer.TRACE,), "keep": True, **more}
        proof = prove(question(config, start_after=start_after, **asked), server_url)
        seen = [(revision.id, revision.fingerprints, revision.rows) for revision in proof.revisions]
        found = [(finding.rule, finding.revision, finding.suppressed) for finding in proof.findings]
        return (seen, found, proof.coverage), len(Path("runs").read_text())

    return run


def revision(name):
    return Path(f"migrations/versions/{name}.py")


def test_a_second_run_has_the_same_result_and_executes_no_old_revision(prove_again, kept):
    first, runs = prove_again()
    assert (runs, len(kept())) == (1, 1)
    assert prove_again() == (first, 0)
    assert ("R01", "two", "older than start-after") in first[1]


def test_a_changed_new_revision_is_executed(prove_again):
    prove_again()
    revision("three").write_text(
        revision("three").read_text().replace("ix", "iy").replace("op.drop_index('iy')", "pass")
    )
    (_, found, _), runs = prove_again()
    assert runs == 0
    assert ("R01", "three", None) in found


@pytest.mark.parametrize("change", ["an old revision", "env.py", "a file beside them", "what is old"])
def test_a_change_of_an_input_replaces_the_template(prove_again, kept, change):
    prove_again()
    before = kept()
    if change == "an old revision":
        revision("one").write_text(revision("one").read_text() + "\n")
    elif change == "env.py":
        Path("migrations/env.py").write_text(Path("migrations/env.py").read_text() + "\n")
    elif change == "a file beside them":
        Path("migrations/rows.sql").write_text("SELECT 1")
    _, runs = prove_again(start_after="one" if change == "what is old" else "two")
    assert runs == 1
    assert len(kept()) == 1
    assert kept() != before


def test_rows_are_kept_beside_the_template_and_without_keep_nothing_is(prove_again, kept, monkeypatch):
    monkeypatch.setattr(from_empty, "_FEW", 0)
    empty = "op.execute('CREATE TABLE empty (i int CHECK (false))')"
    revision("two").write_text(revision("two").read_text().replace("op.add_column", f"{empty}\n    op.add_column"))
    fails = "op.alter_column('a', 'b', nullable=False)"
    revision("three").write_text(
        revision("three").read_text().replace("op.create_index", f"{fails}\n    op.create_index")
    )
    layers = tuple(Layer)
    made_each_time, _ = prove_again(layers=layers, keep=False)
    assert kept() == []
    made, runs = prove_again(layers=layers)
    assert (runs, len(kept())) == (2, 3)
    assert prove_again(layers=layers) == (made, 0)
    assert made == made_each_time
    assert ("D01", "three", "answered by the remedy of L10") in made[1]
    assert list(made[2].empty) == ["public.empty"]


LEAVES = "op.execute('CREATE TEMP TABLE parts (id int)')"


@pytest.mark.parametrize(("old", "new", "expected"), [("", "", 0), (LEAVES, "", 1), ("", "import os", 1)])
def test_old_revisions_are_run_again_only_for_what_they_leave_and_a_new_one_may_meet(
    prove_again, monkeypatch, old, new, expected
):
    monkeypatch.setattr(from_empty, "_FEW", 0)
    for name, line in (("two", old), ("three", new)):
        revision(name).write_text(revision(name).read_text().replace("    op.", f"    {line or 'pass'}\n    op.", 1))
    layers = (Layer.TRACE, Layer.TOGETHER)
    first, runs = prove_again(layers=layers)
    assert runs == 2
    assert prove_again(layers=layers) == (first, expected)


def test_the_comment_of_another_version_is_no_template(prove_again, kept, server_url):
    prove_again()
    comment = f"COMMENT ON DATABASE {kept()[0]} IS 'eJyrrgUAAXUA+Q=='"
    with_connection(sa.make_url(server_url), lambda connection: connection.execute(sa.text(comment)))
    assert prove_again()[1] == 1


@pytest.mark.parametrize("old", ["CREATE ROLE slipway_told_ruler", "SELECT 1 / 0"])
def test_a_history_that_makes_roles_or_fails_is_not_cached_but_proven(write_project, server_url, kept, old):
    history = {
        **HISTORY,
        "two": ("one", f"op.execute({old!r})", "op.execute('DROP ROLE IF EXISTS slipway_told_ruler')"),
    }
    proof = prove(question(write_project(history), layers=(Layer.TRACE,), start_after="two", keep=True), server_url)
    assert kept() == []
    assert len(proof.revisions) == 3


def test_a_database_is_copied_although_a_pool_of_env_py_is_still_connected_to_it(server_url):
    server = sa.make_url(server_url)
    with fresh(server, ()) as source:
        engine = sa.create_engine(source)
        engine.connect().close()  # asyncpg's pool stays open, too
        with_connection(server, lambda connection: create(connection, "slipway_copied", template=source.database))
        with_connection(server, lambda connection: connection.execute(sa.text("DROP DATABASE slipway_copied")))
        engine.dispose()


def test_code_that_connects_when_it_is_imported_leaves_nothing_on_the_server_and_env_py_does_not_get_its_connection(
    write_project, server_url, monkeypatch
):
    monkeypatch.setattr(threading, "get_ident", threading.get_ident)
    gevents = "import threading\ndef patch_all():\n    threading.get_ident = lambda own=threading.get_ident: -own()\n"
    of_the_service = "from gevent import monkey\nmonkey.patch_all()\nimport sqlalchemy as sa\nengine = sa.create_engine('postgresql+psycopg://shop@db/shop')\n"
    makes = """
import threading
def make(table):
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {table} (id int)"))
make("of_the_import")
with engine.connect():  # so that the thread gets a connection of its own
    thread = threading.Thread(target=make, args=["of_a_thread"])
    thread.start()
    thread.join()
"""
    config = write_project(
        {"one": (None, f"import pooled_service\n{CREATE}", "op.drop_table('a')")},
        env=ENV.replace("\nengine = ", "\nfrom pooled_service import engine\n_ = "),
        ini="[alembic]\nscript_location = migrations\nprepend_sys_path = .\n",
        files={"pooled_service.py": of_the_service + makes, "gevent/__init__.py": "", "gevent/monkey.py": gevents},
    )
    revision("one").write_text(f"import pooled_service\n{revision('one').read_text()}")
    proof = prove(question(config), server_url)
    assert [sys.modules.pop(name).__name__ for name in ("gevent.monkey", "gevent", "pooled_service")]
    assert [finding.message for finding in proof.findings if finding.rule.startswith("T")] == []
    assert len(Path("runs").read_text()) > 1
    assert with_connection(server_url, lambda connection: connection.scalar(sa.text(RELATIONS))) == 0
