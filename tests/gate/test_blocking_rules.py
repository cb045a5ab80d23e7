"""L and Q05: which statements block, judged from statements as the gate recorded them.

`blocking-statements.json` holds the statements of each case; a slow test executes the cases again and compares. To record
them anew: `RECORD_STATEMENTS=1 pytest tests/gate/test_blocking_rules.py -k recorded`.
"""

import ast
import dataclasses
import json
import os
import re
from pathlib import Path

import pytest

from slipway.gate.findings import blocking, waiting
from slipway.gate.findings.blocking import CAUSES, safe_index
from slipway.gate.history import Node
from slipway.records.proof import Blocked, Layer, Level, Statement

LAYERS = (Layer.TRACE,)
BASE = """
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(10)),
        sa.Column("age", sa.Integer()),
        sa.Column("price", sa.Numeric(10, 2)),
        sa.Column("at", sa.DateTime()),
    )
    op.create_table("orders", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("user_id", sa.Integer()))
    op.create_index("users_age", "users", ["age"])
"""
AGAIN = f"    op.execute('DROP TABLE IF EXISTS users, people, orders, x CASCADE'){BASE}"
KEPT = "pass"  # a downgrade that fails would cost each case a new session
FIRST = 10  # the line of the first statement of upgrade()
ONLY_TOLD = {"L02", "L25"}

CASES = [  # name, body of upgrade(), the rules that find its statements, in order
    ("an index", "op.create_index('ix', 'users', ['name'])", ["L01"]),
    ("a unique index", "op.create_index('ix', 'users', ['name'], unique=True)", ["L01"]),
    ("an index on an expression", "op.create_index('ix', 'users', [sa.text('lower(name)')])", ["L01"]),
    ("an index, concurrently", "op.drop_index('ix', 'users', postgresql_concurrently=True, if_exists=True)\n    op.create_index('ix', 'users', ['name'], postgresql_concurrently=True)", [], "alone"),
    ("an index in an autocommit block", "op.create_index('ix', 'users', ['name'])", ["L01"], "alone"),
    ("an index dropped", "op.drop_index('users_age', 'users')", ["L02"]),
    ("a nullable column", "op.add_column('users', sa.Column('x', sa.Integer()))", []),
    ("a constant default", "op.add_column('users', sa.Column('x', sa.Integer(), nullable=False, server_default='1'))", []),
    ("a default of now", "op.add_column('users', sa.Column('x', sa.DateTime(), server_default=sa.func.now()))", []),
    ("a random default", "op.add_column('users', sa.Column('x', sa.Uuid(), server_default=sa.func.gen_random_uuid()))", ["L14"]),
    ("a ticking default", "op.add_column('users', sa.Column('x', sa.DateTime(), server_default=sa.func.clock_timestamp()))", ["L14"]),
    ("an identity column", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Identity()))", ["L15"]),
    ("a serial column", "op.execute('ALTER TABLE users ADD COLUMN x serial')", ["L15"]),
    ("a stored column", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Computed('age * 2', persisted=True)))", ["L16"]),
    ("a default set later", "op.alter_column('users', 'age', server_default=sa.func.random())", []),
    ("a type after a default", "op.execute('ALTER TABLE users ALTER age DROP DEFAULT, ALTER age TYPE bigint')", ["L11"]),
    ("not null", "op.alter_column('users', 'age', nullable=False)", ["L10"]),
    ("nullable again", "op.alter_column('users', 'id', nullable=False)", []),
    ("a foreign key", "op.create_foreign_key('fk', 'orders', 'users', ['user_id'], ['id'])", ["L08"]),
    ("a foreign key, not valid", "op.create_foreign_key('fk', 'orders', 'users', ['user_id'], ['id'], postgresql_not_valid=True)", []),
    ("a check", "op.create_check_constraint('ck', 'users', 'age > 0')", ["L07"]),
    ("a check, not valid", "op.create_check_constraint('ck', 'users', 'age > 0', postgresql_not_valid=True)", []),
    ("a unique constraint", "op.create_unique_constraint('uq', 'users', ['name'])", ["L04"]),
    ("a primary key", "op.execute('ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id)')", ["L05"]),
    ("int to bigint", "op.alter_column('users', 'age', type_=sa.BigInteger())", ["L11"]),
    ("a longer varchar", "op.alter_column('users', 'name', type_=sa.String(20))", []),
    ("a varchar to text", "op.alter_column('users', 'name', type_=sa.Text())", []),
    ("a shorter varchar", "op.alter_column('users', 'name', type_=sa.String(5))", ["L11"]),
    ("more precision", "op.alter_column('users', 'price', type_=sa.Numeric(12, 2))", []),
    ("more scale", "op.alter_column('users', 'price', type_=sa.Numeric(12, 4))", ["L11"]),
    ("a time zone, while the session has UTC", "op.alter_column('users', 'at', type_=sa.DateTime(timezone=True))", []),
    ("a renamed column", "op.alter_column('users', 'age', new_column_name='years')", []),
    ("a renamed table", "op.rename_table('users', 'people')", []),
    ("an index on a renamed table", "op.rename_table('users', 'people')\nop.create_index('ix', 'people', ['name'])", ["L01"]),
    ("an index without a name", "op.execute('CREATE INDEX ON users (name)')", ["L01"]),
    ("a dropped column", "op.drop_column('users', 'age')", []),
    ("a dropped table", "op.drop_table('orders')", []),
    ("a new table", "op.create_table('x', sa.Column('id', sa.Integer(), primary_key=True))", []),
    ("a new table with a foreign key", "op.create_table('x', sa.Column('user_id', sa.Integer(), sa.ForeignKey('users.id')))", []),
    ("an index on a new table", "op.execute('CREATE TABLE x (a int)')\nop.create_index('ix', 'x', ['a'])", []),
    ("rows of a new table", "op.execute('CREATE TABLE x (a int)')\nop.execute('UPDATE x SET a = 1')", []),
    ("rows alone", "op.execute('UPDATE users SET age = 1')", []),
    ("an index dropped after another was built", "with op.get_context().autocommit_block():\n    op.drop_index('ix', 'users', postgresql_concurrently=True, if_exists=True)\n    op.create_index('ix', 'users', ['name'], postgresql_concurrently=True)\nop.drop_index('users_age', if_exists=True)", ["L02"]),
    ("rows after a lock", "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('UPDATE users SET x = 1')", ["Q05"]),
    ("rows of another table after a lock", "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('UPDATE orders SET user_id = 1')", ["Q05"]),
    ("rows read after a lock", "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('SELECT count(*) FROM orders')", ["Q05"]),
    ("not null after a lock", "op.alter_column('users', 'age', server_default='1')\nop.alter_column('users', 'age', nullable=False)", ["L10"]),
    ("a comment", "op.create_table_comment('users', 'said')", []),
    ("a truncated table", "op.execute('TRUNCATE orders')", ["L25"]),
    ("a cluster", "op.execute('CLUSTER users USING users_age')", ["L20"]),
    ("a check, validated in the same transaction", "op.create_check_constraint('ck', 'users', 'age > 0', postgresql_not_valid=True)\nop.execute('ALTER TABLE users VALIDATE CONSTRAINT ck')", ["L09"]),
    ("an index on two columns, on the second line", "x = 1\nop.create_index('ix', 'users', ['name', 'age'])", ["L01"]),
    ("an index and not null", "op.create_index('a', 'users', ['name'])\nop.alter_column('users', 'age', nullable=False)", ["L01", "L10"]),
    ]  # fmt: skip


def body(name):
    (case,) = [case for case in CASES if case[0] == name]
    return f"with op.get_context().autocommit_block():\n    {case[1]}" if case[3:] else case[1]


RECORDING = Path(__file__).with_name("blocking-statements.json")
RECORDED = json.loads(RECORDING.read_text(encoding="utf-8")) if RECORDING.exists() else {}
NODE = Node(
    id="one",
    down=(),
    parents=(),
    file="one.py",
    old=None,
    upgrade_line=1,
    downgrade_line=1,
    keeps_on_upgrade=False,
    keeps_on_downgrade=False,
    script=None,
)
LOCKED = {"t": Blocked(read=True, write=True)}


def recorded(name):
    return [
        Statement(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
            | {"blocks": {table: Blocked(**blocked) for table, blocked in fields["blocks"].items()}, "ms": 0.0}
        )
        for fields in RECORDED[name]
    ]


def findings(name):
    return list(blocking.check(NODE, recorded(name), ()))


def test_the_safe_form_of_an_index_that_may_be_kept_invalid_has_its_names():
    kept = safe_index('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "notes_Title" ON notes ("Title")')
    assert kept == safe_index('CREATE UNIQUE INDEX "notes_Title" ON notes ("Title")')
    assert 'op.create_index("notes_Title", "notes", ["Title"], unique=True' in kept
    assert safe_index("DROP INDEX i") is None
    assert ', schema="shop")' in safe_index("CREATE INDEX i ON service.shop.notes (title)")


def test_a_name_that_the_columns_of_an_expression_decide_is_left_to_the_reader():
    names = {
        'ALTER TABLE t ADD CHECK ("No" <> 1)': '"t_No_check"',
        "ALTER TABLE t ADD CHECK (a > b)": "…",
        "CREATE INDEX ON t (lower(a))": "t_lower_idx",
        "CREATE INDEX ON t (lower(a), b)": "…",
        "CREATE INDEX ON t (a DESC)": "…",
        "CREATE INDEX ON t (a) INCLUDE (b)": "…",
    }
    for sql, name in names.items():
        cause, match = next((each, match) for each in CAUSES if not each.when and (match := each.pattern.search(sql)))
        assert name in cause.remedy_for(match)


@pytest.mark.parametrize(("name", "rules"), [pytest.param(case[0], case[2], id=case[0]) for case in CASES])
def test_a_statement_that_blocks_is_found_and_no_other(name, rules):
    found = findings(name)
    assert [finding.rule for finding in found] == [rule for rule in rules if rule != "L02"]  # not work under a lock
    assert all(finding.level is (Level.WARNING if finding.rule in ONLY_TOLD else Level.ERROR) for finding in found)


@pytest.mark.slow
def test_the_recorded_statements_are_those_that_the_gate_executes(prove_history):
    revisions, down = {"zero": (None, BASE, KEPT)}, "zero"
    for number, case in enumerate(CASES):
        revisions[f"case{number}"] = (down, body(case[0]), KEPT)
        revisions[f"again{number}"] = (f"case{number}", AGAIN, KEPT)
        down = f"again{number}"
    proof = prove_history(revisions)
    executed = {
        CASES[int(revision.id.removeprefix("case"))][0]: [without_time(each) for each in revision.statements]
        for revision in proof.revisions
        if revision.id.startswith("case")
    }
    if os.environ.get("RECORD_STATEMENTS"):
        RECORDING.write_text(json.dumps(executed, indent=1) + "\n", encoding="utf-8")
    assert executed == json.loads(RECORDING.read_text(encoding="utf-8"))
    told = {
        name: [each.rule for each in proof.findings if each.fails and each.revision == f"case{number}"]
        for number, (name, *_) in enumerate(CASES)
    }
    assert told == {name: [rule for rule in rules if rule not in ONLY_TOLD] for name, _, rules, *_ in CASES}


def without_time(statement):
    fields = {key: value for key, value in dataclasses.asdict(statement).items() if key != "ms"}
    return json.loads(json.dumps(fields))


@pytest.mark.slow
def test_a_statement_of_an_old_revision_is_not_reported(prove_history):
    index = "op.create_index('ix', 'users', ['name'])"
    proof = prove_history({"zero": (None, BASE, ""), "one": ("zero", index, "op.drop_index('ix')")}, start_after="one")
    assert not any(finding.rule.startswith("L") for finding in proof.findings)


def test_a_finding_has_place_fact_and_level():
    (finding,) = findings("an index on two columns, on the second line")
    assert finding.level is Level.ERROR
    assert (finding.revision, finding.file, finding.line) == ("one", "one.py", FIRST + 1)
    assert finding.measured == (
        "holds SHARE on public.users, which blocks writes, while it indexes public.users and scans public.users"
    )


def test_the_line_is_that_of_each_statement():
    assert [finding.line for finding in findings("an index and not null")] == [FIRST, FIRST + 1]
    assert [finding.line for finding in findings("a check, validated in the same transaction")] == [FIRST + 1]


def test_a_lock_of_an_earlier_statement_is_reported_as_such():
    (finding,) = findings("rows after a lock")
    assert finding.measured.startswith(
        "holds an earlier lock on public.users of line 10, which blocks reads and writes"
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("an index on two columns, on the second line", 'op.create_index("ix", "users", ["name", "age"], postgresql_concurrently=True)'),
        ("a unique index", 'op.create_index("ix", "users", ["name"], unique=True, postgresql_concurrently=True)'),
        ("a unique constraint", "op.execute('ALTER TABLE users ADD CONSTRAINT uq UNIQUE USING INDEX uq')"),
        ("not null", "op.create_check_constraint(op.f(\"age_not_null\"), \"users\", 'age IS NOT NULL', postgresql_not_valid=True)"),
        ("a check", "op.execute('ALTER TABLE users VALIDATE CONSTRAINT ck')"),
    ],
)  # fmt: skip
def test_the_remedy_is_code_with_the_names_filled_in(name, code):
    (finding,) = findings(name)
    assert code in finding.remedy
    assert finding.remedy_is_code


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ('ALTER TABLE "user" ADD CONSTRAINT ck CHECK (a > 0)', "ALTER TABLE \"user\" VALIDATE CONSTRAINT ck'"),
        ('ALTER TABLE shop."user" ALTER "Age" SET NOT NULL', 'op.alter_column("user", "Age", nullable=False, schema="shop")'),
        ('ALTER TABLE shop."user" ALTER "Age" SET NOT NULL', "'\"Age\" IS NOT NULL'"),
        ("CREATE INDEX ix ON shop.users (a)", '["a"], postgresql_concurrently=True, schema="shop")'),
        ("ALTER TABLE shop.a ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES b", "ALTER TABLE shop.a ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES b NOT VALID'"),
        ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b, ADD c int", 'op.create_foreign_key("…", "a", …'),
        ("CREATE INDEX ON a (x) WHERE y LIKE ':a'", "op.get_bind().exec_driver_sql('''CREATE INDEX"),
    ],
)  # fmt: skip
def test_odd_names_and_schemas_are_spelled_as_python_and_as_sql_want_them(sql, code):
    (finding,) = blocking.check(NODE, (statement(sql=sql, blocks=LOCKED, scans=("t",)),), ())
    assert code in finding.remedy


def test_the_remedy_for_an_index_is_the_revision_that_does_not_block():
    (finding,) = findings("an index")
    assert ast.dump(ast.parse(finding.remedy)) == ast.dump(ast.parse(body("an index, concurrently")))
    assert findings("an index, concurrently") == []


def statement(**fields):
    blank = {
        "sql": "SELECT 1", "line": 1, "transaction": True, "locks": {}, "rewrites": (), "builds": (), "scans": (),
        "blocks": {}, "measured": True, "ms": 0.0,
    }  # fmt: skip
    return Statement(**{**blank, **fields})


@pytest.mark.parametrize(
    ("fields", "blocks"),
    [
        ({"blocks": LOCKED, "rewrites": ("t",)}, True),
        ({"blocks": LOCKED, "builds": ("t",)}, True),
        ({"blocks": LOCKED, "scans": ("other",)}, True),
        ({"blocks": LOCKED}, False),
        ({"scans": ("t",)}, False),
        ({}, False),
    ],
)
def test_blocking_is_a_lock_held_during_work_on_rows(fields, blocks):
    assert blocking.blocks(statement(**fields)) is blocks


def test_a_weaker_lock_than_one_held_already_is_not_the_one_that_is_named():
    index = statement(sql="CREATE INDEX", blocks=LOCKED, builds=("t",), locks={"t": "SHARE"})
    (finding,) = blocking.check(NODE, (index,), ())
    assert finding.measured.startswith("holds an earlier lock on t, which blocks reads and writes")


@pytest.mark.parametrize(
    ("after", "rules"),
    [
        ({"sql": "ALTER TABLE users DROP COLUMN age"}, []),
        ({"sql": "DROP TABLE users"}, []),
        ({"sql": "DROP TABLE users", "transaction": False}, []),
        ({"sql": "ALTER TABLE others DROP COLUMN age"}, ["L02"]),
        ({"sql": "ALTER TABLE users DROP COLUMN age", "transaction": False}, ["L02"]),
    ],
)
def test_a_dropped_index_is_no_finding_where_its_table_is_dropped_or_altered_in_the_same_transaction(after, rules):
    dropped = statement(sql="DROP INDEX users_age", locks={"public.users": "ACCESS EXCLUSIVE"}, lock_timeout="2s")
    assert [each.rule for each in waiting.check(NODE, (dropped, statement(**after)), None)] == rules


def test_every_cause_fills_its_remedy_with_any_statement_it_matches():
    known = "columns|unique|what|type|options|deferrable|sequence|schema|source_schema|sql_(unique|columns)|(sql_)?(table|index|name|column|partition)|(f_)?definition"
    for cause in CAUSES:
        assert not re.search(f"{{(?!({known})}})", cause.remedy.replace("{{", "").replace("}}", ""))
