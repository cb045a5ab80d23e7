"""A history that begins on an existing schema: an SQL file as pg_dump writes it, or the tables of a module."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway.errors import BadInputError
from slipway.gate.findings import schema
from slipway.gate.prove import listing
from slipway.gate.rulebook.schema import BEGIN_ON_SCHEMA
from slipway.local.certificate import heads_before
from slipway.records.proof import Layer, Verdict
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs/how-to/adopt.md").read_text()
DUMP = r"""--
-- PostgreSQL database dump
--
\restrict aB3
SET statement_timeout = 0;
SET transaction_timeout_of_18 = 0;
SET client_encoding = 'LATIN1';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE DATABASE shop WITH TEMPLATE = template0;
ALTER DATABASE shop OWNER TO shopkeeper;
\connect shop
CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public;
COMMENT ON EXTENSION pg_stat_statements IS 'track; planning';
CREATE SCHEMA legacy;
ALTER SCHEMA legacy OWNER TO shopkeeper;
CREATE FUNCTION public.pick(n integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN (n > 1) THEN 1 ELSE 2 END;
 SELECT 3;
END;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $_$ BEGIN NEW.note := '100%;'; RETURN NEW; END $_$;
CREATE TABLE public.users (
    id integer GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    note text DEFAULT 'it''s; a \b'
);
ALTER TABLE public.users OWNER TO shopkeeper;
COPY public.users (id, name, note) FROM stdin;
1	a\tb	it's \\ one
2	\x41\101	\N
\.
COPY public.users (id, name, note) FROM stdin;
\.
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE RULE twice AS ON DELETE TO public.users WHERE (old.id = 0) DO (SELECT 1; SELECT 2);
GRANT SELECT ON TABLE public.users TO shopkeeper;
\unrestrict aB3
"""
AT_ONE = """
CREATE TABLE public.alembic_version (version_num character varying(32) NOT NULL);
COPY public.alembic_version (version_num) FROM stdin;
one
\\.
"""
CHECK = """\
found = op.get_bind().exec_driver_sql("SELECT id, name, note FROM users WHERE id < 3 ORDER BY id").fetchall()
assert [tuple(row) for row in found] == [(1, "a\\tb", "it's \\\\ one"), (2, "AA", None)], found
op.add_column("users", sa.Column("read", sa.Boolean()))"""
HISTORY = {
    "one": (None, CHECK, "op.drop_column('users', 'read')"),
    "two": ("one", "op.add_column('users', sa.Column('seen', sa.Text()))", "op.drop_column('users', 'seen')"),
}
TABLES = """
import sqlalchemy as sa
from sqlalchemy.orm import declarative_base

Base = declarative_base()
sa.Table("users", Base.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", sa.Enum("good", name="mood")), schema="public")
"""
MODELS = """
sa.Table("users", metadata, sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True), sa.Column("name", sa.Text),
    sa.Column("note", sa.Text, server_default="it's; a \\\\b"), sa.Column("read", sa.Boolean), sa.Column("seen", sa.Text))
"""


def test_every_layer_begins_on_the_schema_and_the_rows_of_a_dump(prove_history, server_url):
    proof = prove_history(HISTORY, models=MODELS, files={"baseline.sql": DUMP}, baseline="baseline.sql")
    assert [finding for finding in proof.findings if finding.fails] == []
    assert [finding.measured[:2] for finding in proof.findings if finding.rule == "drift-released"] == ["1:"]
    assert proof.verdict is Verdict.PASS
    assert proof.coverage.baseline == "baseline.sql"
    assert proof.coverage.gaps[0] == "baseline.sql grants privileges to roles that this server lacks (line 38)"
    assert (proof.coverage.tables, proof.coverage.filled) == (1, 1)
    listed = listing(question(Path("alembic.ini"), baseline="baseline.sql"), server_url)
    assert listed.digest == proof.history
    Path("baseline.sql").write_text(DUMP.replace("stdin;\n\\.", "stdin;\n3\tc\td\n\\."))
    assert listing(question(Path("alembic.ini"), baseline="baseline.sql"), server_url).digest != proof.history


def test_the_revisions_that_a_dump_of_production_has_run_are_not_executed(prove_history):
    drops = ("one", "op.drop_column('users', 'note')", "op.add_column('users', sa.Column('note', sa.Text()))")
    history = {"one": (None, "raise ZeroDivisionError", ""), "two": drops}
    layers = (Layer.TRACE, Layer.ROWS, Layer.PREVIOUS)
    proof = prove_history(history, files={"baseline.sql": DUMP + AT_ONE}, baseline="baseline.sql", layers=layers)
    assert [(revision.id, revision.new) for revision in proof.revisions] == [("two", True)]
    assert (proof.begun, heads_before(proof)) == (("one",), ("one",))
    assert {finding.rule for finding in proof.findings} >= {"C01", "D03"}
    assert proof.coverage.baseline == "baseline.sql, a schema at one; the revisions up to it were not executed"


def test_an_env_py_that_fails_behind_a_baseline_is_reported_with_its_place(prove_history):
    with pytest.raises(BadInputError) as caught:
        prove_history(
            {"one": (None, "pass", ""), "two": ("one", "pass", "")},
            files={"baseline.sql": DUMP + AT_ONE},
            baseline="baseline.sql",
            env="import os\n\nraise RuntimeError('vault not reachable')\n",
        )
    assert caught.value.what == "migrations/env.py line 3 fails before the first revision"
    assert caught.value.next_step.startswith("RuntimeError: vault not reachable; ")


def test_the_models_of_an_older_commit_write_a_baseline_without_a_database_as_the_page_says(prove_history, tmp_path):
    """`docs/how-to/adopt.md` has the script, and the lines that count revisions as run."""
    script, version = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("python", "sql"))
    service = {"shop/models.py": TABLES.replace(', schema="public"', ""), "baseline.py": script}
    for name, text in service.items():
        (tmp_path / "before" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "before" / name).write_text(text)
    command = [sys.executable, "baseline.py"]
    made = subprocess.run(command, cwd=tmp_path / "before", capture_output=True, text=True, check=True).stdout
    assert "'good'" in made
    sql = made + version.replace("3f2a9c1b7d40", "one")
    adds = ("one", "op.add_column('users', sa.Column('note', sa.Text()))", "op.drop_column('users', 'note')")
    history = {"one": (None, "raise ZeroDivisionError", ""), "two": adds}
    proof = prove_history(history, files={"b.sql": sql}, baseline="b.sql", layers=(Layer.TRACE,))
    assert proof.coverage.baseline == "b.sql, a schema at one; the revisions up to it were not executed"
    assert [revision.id for revision in proof.revisions if revision.statements] == ["two"]


def test_a_wrong_baseline_and_a_missing_one_have_a_remedy(write_project, prove_in_process, server_url, monkeypatch):
    history = {"one": (None, "op.add_column('users', sa.Column('name', sa.Text()))", ""), "two": ("one", "", "")}
    config = write_project(history, files={"first_models.py": TABLES, "baseline.sql": DUMP})

    def remedy(baseline="", **more):
        asked = question(config, baseline=baseline, layers=(Layer.TRACE,), **more)
        return [(finding.rule, finding.remedy) for finding in prove_in_process(asked, server_url).failures]

    functionless = SimpleNamespace(code="42883", message="UndefinedFunction: function new_id() does not exist")
    assert schema._about("", functionless) == BEGIN_ON_SCHEMA
    gap = prove_in_process(question(config, start_after="two", layers=(Layer.ALWAYS,)), server_url).coverage.gaps[0]
    assert gap.endswith(
        "and name that as baseline in [tool.slipway.migrations]; `slipway init --yes` writes one from the models"
    )
    (fails,), (unreached,) = remedy(), remedy(start_after="one")
    assert (fails[0], unreached[0]) == ("U01", "U02")
    assert 'set baseline = "baseline.sql" in [tool.slipway.migrations]' in fails[1]
    assert unreached[1] == fails[1]
    ((_, too_new),) = remedy("baseline.sql")
    assert too_new.endswith("""pg_dump --data-only --table='*.alembic_version' "$PRODUCTION" >> baseline.sql""")
    monkeypatch.syspath_prepend(config.parent)
    assert remedy("first_models:Base") == []


@pytest.mark.parametrize(
    ("baseline", "text", "said"),
    [
        ("gone.sql", "", "gone.sql cannot be read: No such file or directory"),
        ("b.sql", "CREATE TABLE a (\n    id int,\n    name citext\n);", 'b.sql line 3 fails: .*type "citext" does not exist; the extension citext'),
        ("b.sql", "SELECT 1;\nCREATE EXTENSION nonesuch;", 'b.sql line 2 fails: .*extension "nonesuch" is not available'),
        ("b.sql", "\n\\i more.sql\n", r"b.sql line 2 has the command \\i of psql"),
        ("b.sql", "\\connect a\nSELECT 1;\n\\connect b\n", "b.sql line 3 connects to a second database, b"),
        ("b.sql", "COPY a FROM stdin WITH (FORMAT csv);\n1\n\\.\n", "b.sql line 1 has a COPY with options"),
        ("b.sql", AT_ONE.replace("one", "zero"), "the baseline is at zero, which is no revision of this history"),
        ("nowhere:Base", "", "nowhere:Base cannot be imported: ModuleNotFoundError"),
        ("sys:path", "", "sys:path is no metadata with tables"),
    ],
)  # fmt: skip
def test_an_unusable_baseline_is_refused_with_its_line_and_the_words_of_postgres(prove_history, baseline, text, said):
    with pytest.raises(BadInputError, match=said):
        prove_history({"one": (None, "", "")}, files={"b.sql": text}, baseline=baseline, layers=(Layer.ALWAYS,))
