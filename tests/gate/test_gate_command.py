"""`python -m slipway.gate`: what a shell sees."""

import json

import pytest
from sqlalchemy import make_url

from slipway.gate import forks
from slipway.records.form import from_json
from slipway.records.gate import Ask, Listed, Listing
from slipway.records.proof import Layer, Proof, Verdict
from slipway.records.refusal import Refusal
from tests.gate.conftest import named

ONE = {"one": (None, "op.create_table('a', sa.Column('id', sa.Integer()))", "op.drop_table('a')")}
PASSWORD_VARIABLE = "import os\n\nassert os.environ['GREETING'] == 'hello'\n"

pytestmark = pytest.mark.slow


def test_a_proof_is_written_whatever_it_says(write_project, gate, server_url, tmp_path):
    write_project({"one": (None, "op.drop_table('no_such')", "")})
    process = gate(database=named(server_url), as_command=True)
    printed = process.communicate(timeout=300)
    assert (process.returncode, printed) == (0, ("", ""))
    assert from_json(Proof, (tmp_path / "proof.json").read_text(), "here").verdict is Verdict.FAIL


def test_start_after_and_extensions_are_given_by_name(write_project, run_gate, server_url):
    write_project({"one": (None, "op.execute('CREATE TABLE a (x citext)')", ""), "two": ("one", "", "")})
    _, written = run_gate(start_after="one", extensions=("citext",), database=named(server_url))
    proof = from_json(Proof, written, "here")
    assert (proof.coverage.new, proof.verdict) == (1, Verdict.PASS)


@pytest.mark.parametrize(("level", "verdict"), [("error", Verdict.FAIL), ("note", Verdict.PASS), ("off", Verdict.PASS)])
def test_a_rule_weighs_what_the_project_says(write_project, run_gate, server_url, level, verdict):
    write_project({"one": (None, "op.execute('CREATE TABLE a ()')", "")})
    _, written = run_gate(levels={"R01": level}, database=named(server_url))
    proof = from_json(Proof, written, "here")
    (finding,) = [finding for finding in proof.findings if finding.rule == "R01"]
    assert proof.verdict is verdict
    told = "R01 is off in [tool.slipway.migrations] levels" if level == "off" else None
    assert finding.suppressed == told


@pytest.mark.parametrize(
    ("level", "what"),
    [
        ({"Q1": "error"}, "[tool.slipway.migrations] levels: there is no rule 'Q1': did you mean 'Q01'"),
        (
            {"Q01": "loud"},
            "[tool.slipway.migrations] levels: Q01 cannot be 'loud': use one of error, warning, note, off",
        ),
        (
            {"U02": "off"},
            "[tool.slipway.migrations] levels: U02 cannot be 'off': what was not executed is always an error",
        ),
    ],
)
def test_a_level_that_is_none_is_bad_input(write_project, gate, server_url, level, what):
    write_project(ONE)
    process = gate(levels=level, database=named(server_url), as_command="Q1" in level)
    _, error = process.communicate(timeout=300)
    assert (process.returncode, error.strip()) == (2, what)


@pytest.mark.parametrize(("today", "allowed"), [("2027-01-31", True), ("2027-02-01", False)])
def test_the_day_may_be_given(write_project, run_gate, server_url, today, allowed):
    write_project(
        {"one": (None, "# slipway: allow U01 until=2027-01-31 because it is gone\nop.drop_table('gone')", "")}
    )
    _, written = run_gate(today=today, database=named(server_url))
    finding = next(each for each in from_json(Proof, written, "here").findings if each.rule == "U01")
    assert (finding.suppressed is not None) is allowed


def test_the_settings_file_may_have_another_name(write_project, run_gate, server_url, tmp_path):
    write_project(ONE).rename(tmp_path / "other.ini")
    _, written = run_gate(config="other.ini", database=named(server_url))
    assert from_json(Proof, written, "here").coverage.revisions == 1


def test_revisions_can_be_listed_where_no_server_is_and_none_is_executed(write_project, run_gate, tmp_path):
    write_project(ONE | {"two": ("one", "open('executed', 'w')", "")})
    nowhere = named(make_url("postgresql+psycopg://me@127.0.0.1:1/x"))
    printed, written = run_gate(ask=Ask.LISTING, start_after="one", database=nowhere)
    assert (printed, from_json(Listing, written, "here").revisions) == (
        "",
        (Listed("one", "migrations/versions/one.py", 9, False), Listed("two", "migrations/versions/two.py", 9, True)),
    )
    assert not (tmp_path / "executed").exists()
    assert "the Postgres server does not answer" in run_gate(ask=Ask.LISTING, check_server=True, database=nowhere)[0]


def test_variables_of_the_service_come_with_the_database(write_project, run_gate, server_url):
    body = "import os\nassert os.environ['GREETING'] == 'hello'\nassert 'SLIPWAY_DATABASE' not in os.environ"
    write_project({"one": (None, body, "")})
    _, written = run_gate(database=named(server_url, GREETING="hello"))
    assert from_json(Proof, written, "here").findings == ()


@pytest.mark.parametrize(
    ("database", "what"),
    [
        (None, "SLIPWAY_DATABASE does not name a database"),
        ("postgresql://me:hunter2@here/x", "SLIPWAY_DATABASE does not name a database"),
        ('{"url": "hunter2", "variables": {}}', "the database's URL cannot be read"),
        ('{"url": "mysql://me:hunter2@here/x", "variables": {}}', "the database's URL names mysql"),
        (
            '{"url": "postgresql+psycopg://me:hunter2@127.0.0.1:1/x", "variables": {}}',
            "the Postgres server does not answer",
        ),
    ],
    ids=["missing", "a bare URL", "no URL", "another database", "no server"],
)
def test_without_a_database_the_answer_is_a_refusal(write_project, gate, tmp_path, database, what):
    write_project(ONE)
    process = gate(database=database)
    output, errors = process.communicate(timeout=300)
    refusal = from_json(Refusal, (tmp_path / "proof.json").read_text(), "here")
    assert (process.returncode, refusal.exit_code, refusal.what) == (2, 2, what)
    assert errors.startswith(what)
    assert "hunter2" not in output + errors + (tmp_path / "proof.json").read_text()


@pytest.mark.parametrize("ask", list(Ask))
def test_a_server_that_looks_like_production_is_refused_unless_it_is_allowed(write_project, run_gate, ask):
    write_project(ONE)
    production = named(make_url("postgresql+psycopg://me:hunter2@production.invalid:1/x"))
    printed, written = run_gate(ask=ask, database=production)
    assert "the server looks like production (its host production.invalid contains production)" in printed
    assert "hunter2" not in printed + written
    assert "looks like production" not in run_gate(ask=ask, allow_production_like=True, database=production)[0]


def test_no_password_is_printed_when_env_py_fails(write_project, run_gate, server_url):
    write_project(
        ONE,
        env="from alembic import context\n\nraise RuntimeError(context.config.get_main_option('sqlalchemy.url')[:10])\n",
    )
    printed, written = run_gate(database=named(server_url))
    assert "migrations/env.py line 3 fails before the first revision" in printed
    assert server_url.password not in printed + written


def without_times(proof):
    plain = json.loads(proof)
    del plain["seconds"]
    for revision in plain["revisions"]:
        for statement in revision["statements"]:
            del statement["ms"]
    return plain


def test_gates_at_once_on_one_server_do_not_disturb_each_other(write_project, gate, server_url, tmp_path):
    function = "op.execute(\"CREATE FUNCTION f{0}() RETURNS int LANGUAGE sql AS 'SELECT {0}'\")"
    write_project(
        {
            f"r{number:02}": (
                f"r{number - 1:02}" if number else None,
                f"op.create_table('t{number}', sa.Column('id', sa.Integer()))\n{function.format(number)}",
                f"op.drop_table('t{number}')\nop.execute('DROP FUNCTION f{number}()')",
            )
            for number in range(8)
        },
        models='sa.Table("other", metadata, sa.Column("id", sa.Integer))',
    )
    gates = [gate(database=named(server_url), proof=f"proof-{number}.json") for number in range(2)]
    printed = [process.communicate(timeout=300) for process in gates]
    assert printed == [("", "")] * 2
    first, second = (without_times((tmp_path / f"proof-{number}.json").read_text()) for number in range(2))
    assert first == second
    assert {finding["rule"] for finding in first["findings"]} == {"drift"}


def test_gates_at_once_do_not_disturb_each_others_rows_copies_and_interruptions(
    write_project, gate, server_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(forks, "processors", lambda: 1)  # both gates are processes already
    concurrently = """
        with op.get_context().autocommit_block():
            op.drop_index('ix', 'a', postgresql_concurrently=True, if_exists=True)
            op.create_index('ix', 'a', ['id'], postgresql_concurrently=True)
    """
    write_project(
        {
            **ONE,
            "two": ("one", concurrently, "op.drop_index('ix', 'a')"),
            "three": ("two", "op.execute('ALTER TABLE a ADD b int')", "raise RuntimeError('no way back')"),
            "four": ("three", "op.execute('ALTER TABLE a ADD c int NOT NULL')", "op.drop_column('a', 'c')"),
        }
    )
    layers = (Layer.ROWS, Layer.INTERRUPTION)
    gates = [gate(layers=layers, database=named(server_url), proof=f"proof-{number}.json") for number in range(2)]
    assert [process.communicate(timeout=300) for process in gates] == [("", "")] * 2
    first, second = (without_times((tmp_path / f"proof-{number}.json").read_text()) for number in range(2))
    assert first == second
    assert [each["interruptions"] for each in first["revisions"]] == [0, 4, 0, 0]
    assert {("R02", "three"), ("D01", "four")} <= {(each["rule"], each["revision"]) for each in first["findings"]}
    assert first["coverage"]["filled"] == 1
