"""L and Q: work that grows with rows while readers or writers are locked out, told by what was measured."""

import re

import pytest

from slipway.gate.history import Node
from slipway.gate.rules import blocking
from slipway.gate.rules.causes import CAUSES
from slipway.records.proof import Blocked, Level, Statement, Verdict

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
FIRST = 10  # the line of the first statement of upgrade()

CASES = [
    ("an index", "op.create_index('ix', 'users', ['name'])", "L01"),
    ("a unique index", "op.create_index('ix', 'users', ['name'], unique=True)", "L01"),
    ("an index on an expression", "op.create_index('ix', 'users', [sa.text('lower(name)')])", "L01"),
    ("an index, concurrently", "op.drop_index('ix', 'users', postgresql_concurrently=True, if_exists=True)\n    op.create_index('ix', 'users', ['name'], postgresql_concurrently=True)", None, "alone"),
    ("an index in an autocommit block", "op.create_index('ix', 'users', ['name'])", "L01", "alone"),
    ("an index dropped", "op.drop_index('users_age', 'users')", "L02"),
    ("a nullable column", "op.add_column('users', sa.Column('x', sa.Integer()))", None),
    ("a constant default", "op.add_column('users', sa.Column('x', sa.Integer(), nullable=False, server_default='1'))", None),
    ("a default of now", "op.add_column('users', sa.Column('x', sa.DateTime(), server_default=sa.func.now()))", None),
    ("a random default", "op.add_column('users', sa.Column('x', sa.Uuid(), server_default=sa.func.gen_random_uuid()))", "L14"),
    ("a ticking default", "op.add_column('users', sa.Column('x', sa.DateTime(), server_default=sa.func.clock_timestamp()))", "L14"),
    ("an identity column", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Identity()))", "L15"),
    ("a serial column", "op.execute('ALTER TABLE users ADD COLUMN x serial')", "L15"),
    ("a stored column", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Computed('age * 2', persisted=True)))", "L16"),
    ("a default set later", "op.alter_column('users', 'age', server_default=sa.func.random())", None),
    ("not null", "op.alter_column('users', 'age', nullable=False)", "L10"),
    ("nullable again", "op.alter_column('users', 'id', nullable=False)", None),
    ("a foreign key", "op.create_foreign_key('fk', 'orders', 'users', ['user_id'], ['id'])", "L08"),
    ("a foreign key, not valid", "op.create_foreign_key('fk', 'orders', 'users', ['user_id'], ['id'], postgresql_not_valid=True)", None),
    ("a check", "op.create_check_constraint('ck', 'users', 'age > 0')", "L07"),
    ("a check, not valid", "op.create_check_constraint('ck', 'users', 'age > 0', postgresql_not_valid=True)", None),
    ("a unique constraint", "op.create_unique_constraint('uq', 'users', ['name'])", "L04"),
    ("a primary key", "op.execute('ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id)')", "L05"),
    ("int to bigint", "op.alter_column('users', 'age', type_=sa.BigInteger())", "L11"),
    ("a longer varchar", "op.alter_column('users', 'name', type_=sa.String(20))", None),
    ("a varchar to text", "op.alter_column('users', 'name', type_=sa.Text())", None),
    ("a shorter varchar", "op.alter_column('users', 'name', type_=sa.String(5))", "L11"),
    ("more precision", "op.alter_column('users', 'price', type_=sa.Numeric(12, 2))", None),
    ("more scale", "op.alter_column('users', 'price', type_=sa.Numeric(12, 4))", "L11"),
    ("a time zone, while the session has UTC", "op.alter_column('users', 'at', type_=sa.DateTime(timezone=True))", None),
    ("a renamed column", "op.alter_column('users', 'age', new_column_name='years')", None),
    ("a renamed table", "op.rename_table('users', 'people')", None),
    ("a dropped column", "op.drop_column('users', 'age')", None),
    ("a dropped table", "op.drop_table('orders')", None),
    ("a new table", "op.create_table('x', sa.Column('id', sa.Integer(), primary_key=True))", None),
    ("a new table with a foreign key", "op.create_table('x', sa.Column('user_id', sa.Integer(), sa.ForeignKey('users.id')))", None),
    ("an index on a new table", "op.execute('CREATE TABLE x (a int)')\nop.create_index('ix', 'x', ['a'])", None),
    ("rows of a new table", "op.execute('CREATE TABLE x (a int)')\nop.execute('UPDATE x SET a = 1')", None),
    ("rows alone", "op.execute('UPDATE users SET age = 1')", None),
    ("an index dropped after another was built", "with op.get_context().autocommit_block():\n    op.drop_index('ix', 'users', postgresql_concurrently=True, if_exists=True)\n    op.create_index('ix', 'users', ['name'], postgresql_concurrently=True)\nop.drop_index('users_age', if_exists=True)", "L02"),
    ("rows after a lock", "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('UPDATE users SET x = 1')", "Q05"),
    ("rows of another table after a lock", "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('UPDATE orders SET user_id = 1')", "Q05"),
    ("rows read after a lock", "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('SELECT count(*) FROM orders')", "Q05"),
    ("not null after a lock", "op.alter_column('users', 'age', server_default='1')\nop.alter_column('users', 'age', nullable=False)", "L10"),
    ("a comment", "op.create_table_comment('users', 'said')", None),
    ("a truncated table", "op.execute('TRUNCATE orders')", "L25"),
    ("a cluster", "op.execute('CLUSTER users USING users_age')", "L20"),
]  # fmt: skip


def in_block(body):
    return "with op.get_context().autocommit_block():\n    " + body


@pytest.fixture
def prove_after_base(prove_history):
    """Proves a revision that follows one with two tables."""

    def run(upgrade):
        declared = "raise NotImplementedError('not asked here')"
        return prove_history({"zero": (None, BASE, declared), "one": ("zero", upgrade, declared)})

    return run


def counting(proof):
    """The findings that are of these rules: whom a lock waits for and what becomes of rows is told by others."""
    return [finding for finding in proof.findings if finding.rule.startswith(("L", "Q05"))]


@pytest.mark.parametrize(("upgrade", "rule"), [
    pytest.param(in_block(case[1]) if "alone" in case[3:] else case[1], case[2], id=case[0]) for case in CASES
])  # fmt: skip
def test_what_blocks_is_found_and_nothing_else(prove_after_base, upgrade, rule):
    proof = prove_after_base(upgrade)
    assert [finding.rule for finding in counting(proof)] == ([rule] if rule else [])
    only_told = {"L02", "L25", None}
    assert proof.verdict is (Verdict.PASS if rule in only_told else Verdict.FAIL)


def test_a_check_validated_in_a_later_revision_blocks_nobody(prove_history):
    declared = "raise NotImplementedError"
    proof = prove_history(
        {
            "zero": (None, BASE, declared),
            "one": (
                "zero",
                "op.create_check_constraint('ck', 'users', 'age > 0', postgresql_not_valid=True)",
                declared,
            ),
            "two": ("one", "op.execute('ALTER TABLE users VALIDATE CONSTRAINT ck')", declared),
        }
    )
    assert counting(proof) == []


def test_a_check_validated_in_the_same_transaction_blocks(prove_after_base):
    add = "op.create_check_constraint('ck', 'users', 'age > 0', postgresql_not_valid=True)"
    (finding,) = counting(prove_after_base(f"{add}\nop.execute('ALTER TABLE users VALIDATE CONSTRAINT ck')"))
    assert (finding.rule, finding.line) == ("L09", FIRST + 1)


def test_not_null_reads_nothing_when_a_valid_check_says_so(prove_history):
    declared = "raise NotImplementedError"
    check = "op.create_check_constraint('ck', 'users', 'age IS NOT NULL', postgresql_not_valid=True)"
    proof = prove_history(
        {
            "zero": (None, BASE, declared),
            "one": ("zero", check, declared),
            "two": ("one", "op.execute('ALTER TABLE users VALIDATE CONSTRAINT ck')", declared),
            "three": (
                "two",
                "op.alter_column('users', 'age', nullable=False)\nop.drop_constraint('ck', 'users')",
                declared,
            ),
        }
    )
    assert counting(proof) == []


def test_a_finding_says_where_what_and_for_whom(prove_after_base):
    (finding,) = counting(prove_after_base("x = 1\nop.create_index('ix', 'users', ['name', 'age'])"))
    assert finding.level is Level.ERROR
    assert (finding.revision, finding.file, finding.line) == ("one", "migrations/versions/one.py", FIRST + 1)
    assert finding.measured.startswith(
        "holds SHARE on public.users, which blocks writes, while it indexes public.users and scans public.users; "
    )


def test_a_lock_of_an_earlier_statement_is_called_so(prove_after_base):
    upgrade = "op.add_column('users', sa.Column('x', sa.Integer()))\nop.execute('UPDATE users SET x = 1')"
    (finding,) = counting(prove_after_base(upgrade))
    assert finding.measured.startswith("holds an earlier lock on public.users, which blocks reads and writes")


@pytest.mark.parametrize(
    ("upgrade", "code"),
    [
        ("op.create_index('ix', 'users', ['name', 'age'])", 'op.create_index("ix", "users", ["name", "age"], postgresql_concurrently=True)'),
        ("op.create_index('ix', 'users', ['name'], unique=True)", 'op.create_index("ix", "users", ["name"], unique=True, postgresql_concurrently=True)'),
        ("op.create_unique_constraint('uq', 'users', ['name'])", "op.execute('ALTER TABLE users ADD CONSTRAINT uq UNIQUE USING INDEX uq')"),
        ("op.alter_column('users', 'age', nullable=False)", "op.create_check_constraint(\"age_not_null\", \"users\", 'age IS NOT NULL', postgresql_not_valid=True)"),
        ("op.create_check_constraint('ck', 'users', 'age > 0')", "op.execute('ALTER TABLE users VALIDATE CONSTRAINT ck')"),
    ],
)  # fmt: skip
def test_the_remedy_is_code_with_the_names_filled_in(prove_after_base, upgrade, code):
    (finding,) = counting(prove_after_base(upgrade))
    assert code in finding.remedy


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ('ALTER TABLE "user" ADD CONSTRAINT ck CHECK (a > 0)', "ALTER TABLE \"user\" VALIDATE CONSTRAINT ck'"),
        ('ALTER TABLE shop."user" ALTER "Age" SET NOT NULL', 'op.alter_column("user", "Age", nullable=False, schema="shop")'),
        ('ALTER TABLE shop."user" ALTER "Age" SET NOT NULL', "'\"Age\" IS NOT NULL'"),
        ("CREATE INDEX ix ON shop.users (a)", '["a"], postgresql_concurrently=True, schema="shop")'),
        ("ALTER TABLE shop.a ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES b", 'postgresql_not_valid=True, source_schema="shop")'),
    ],
)  # fmt: skip
def test_odd_names_and_schemas_are_spelled_as_python_and_as_sql_want_them(sql, code):
    (finding,) = blocking.check(NODE, (statement(sql=sql, blocks=LOCKED, scans=("t",)),), ())
    assert code in finding.remedy


def test_the_remedy_for_an_index_removes_the_finding(prove_after_base, prove_history, tmp_path):
    (finding,) = counting(prove_after_base("op.create_index('ix', 'users', ['name'])"))
    (tmp_path / "migrations").rename(tmp_path / "earlier")
    assert counting(prove_after_base(finding.remedy)) == []


def test_every_statement_that_blocks_is_a_finding(prove_after_base):
    upgrade = "op.create_index('a', 'users', ['name'])\nop.alter_column('users', 'age', nullable=False)"
    assert [(finding.rule, finding.line) for finding in counting(prove_after_base(upgrade))] == [
        ("L01", FIRST),
        ("L10", FIRST + 1),
    ]


def test_what_blocked_in_an_old_revision_is_past(prove_history):
    proof = prove_history(
        {"zero": (None, BASE, ""), "one": ("zero", "op.create_index('ix', 'users', ['name'])", "op.drop_index('ix')")},
        start_after="one",
    )
    assert not any(finding.rule.startswith("L") for finding in proof.findings)


def statement(**fields):
    blank = {
        "sql": "SELECT 1", "line": 1, "transaction": True, "locks": {}, "rewrites": (), "builds": (), "scans": (),
        "blocks": {}, "measured": True, "ms": 0.0,
    }  # fmt: skip
    return Statement(**{**blank, **fields})


NODE = Node(
    id="one",
    down=(),
    parents=(),
    file="one.py",
    old=None,
    upgrade_line=1,
    downgrade_line=1,
    keeps_on_downgrade=False,
    script=None,
)
LOCKED = {"t": Blocked(read=True, write=True)}


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


def test_every_cause_fills_its_remedy_with_any_statement_it_matches():
    known = "columns|unique|what|schema|source_schema|sql_(unique|columns)|(sql_)?(table|index|name|column|partition)"
    for cause in CAUSES:
        assert not re.search(f"{{(?!({known})}})", cause.rule.remedy)
