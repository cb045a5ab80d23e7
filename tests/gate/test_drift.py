"""The schema that the migrations build against the schema that the models build."""

import re
import shutil
import sys
import textwrap
from types import ModuleType

import pytest
import sqlalchemy as sa

from slipway.gate.evidence import _IF_MODELS
from slipway.gate.layers.spelled import all_spelled
from slipway.gate.rulebook import schema as rules
from slipway.migration.models import metadata_of, with_tables
from slipway.records.gate import Previous
from slipway.records.proof import Layer, Level, Verdict
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

LAYERS = (Layer.ALWAYS,)

MIGRATION = """
    op.execute("CREATE TYPE mood AS ENUM ('calm', 'wild')")
    op.execute("CREATE TABLE users (id serial PRIMARY KEY, name varchar(10) NOT NULL, age int DEFAULT 1, m mood)")
    op.execute("CREATE TABLE orders (id serial PRIMARY KEY, user_id int CONSTRAINT fk_user REFERENCES users ON DELETE CASCADE)")
    op.execute("CREATE MATERIALIZED VIEW ages AS SELECT 1 AS age")
    op.execute("CREATE INDEX ON ages (age)")
    op.execute("CREATE INDEX ix_age ON users (age) WHERE age > 1")
    op.execute("ALTER TABLE users ADD CONSTRAINT uq_name UNIQUE (name)")
    op.execute("ALTER TABLE users ADD CONSTRAINT ck_age CHECK (age > 0)")
    op.execute("ALTER TABLE users ADD CONSTRAINT apart EXCLUDE USING btree (age WITH =) WHERE (age > 8)")
"""
UNDO = "op.execute('DROP TABLE orders, users')\nop.execute('DROP MATERIALIZED VIEW ages')\nop.execute('DROP TYPE mood')"
MODELS = """
    from sqlalchemy.dialects.postgresql import ExcludeConstraint
    sa.Table(
        "users", metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(10), nullable=False),
        sa.Column("age", sa.Integer, server_default="1"),
        sa.Column("m", sa.Enum("calm", "wild", name="mood")),
        sa.UniqueConstraint("name", name="uq_name"),
        sa.CheckConstraint("age > 0", name="ck_age"),
        sa.Index("ix_age", "age", postgresql_where=sa.text("age > 1")),
        ExcludeConstraint(("age", "="), using="btree", where="age > 8", name="apart"),
    )
    sa.Table(
        "orders", metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.ForeignKey("users.id", name="fk_user", ondelete="CASCADE")),
    )
"""


@pytest.fixture
def drift(prove_history):
    """The findings on a history of one revision and its models."""

    def run(models=MODELS, migration=MIGRATION, undo=UNDO, **more):
        return prove_history({"one": (None, migration, undo)}, models=models, **more).findings

    return run


def only(findings, rule="drift"):
    (finding,) = findings
    assert finding.rule == rule
    return finding.measured


def test_models_and_migrations_that_agree_are_no_finding(drift):
    assert drift() == ()


CHANGES = [
    {
        'sa.Column("m", sa.Enum("calm", "wild", name="mood")),': ('sa.Column("n", sa.Enum("calm", "wild", name="mood")),',
            "only the migrations have column public.users.m mood"),
        "sa.String(10)": ("sa.String(20)",
            "column public.users.name is 'character varying(10) not null' in the migrations, 'character varying(20) not null' in the models"),
        'server_default="1"': ('server_default="2"',
            "column public.users.age is 'integer default 1' in the migrations, 'integer default 2' in the models"),
        'sa.Index("ix_age", "age", postgresql_where=sa.text("age > 1")),': ("",
            "only the migrations have index public.ix_age CREATE INDEX ix_age ON public.users USING btree (age) WHERE (age > 1)"),
        'sa.UniqueConstraint("name", name="uq_name"),': ("",
            "only the migrations have unique public.users.uq_name UNIQUE (name)"),
        ', ondelete="CASCADE"': ("",
            ("foreign key public.orders.fk_user is 'FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE' in the migrations, "
            "'FOREIGN KEY (user_id) REFERENCES users(id)' in the models")),
        "age > 0": ("age > 5",
            "check public.users.ck_age is 'CHECK ((age > 0))' in the migrations, 'CHECK ((age > 5))' in the models"),
        "age > 8": ("age > 9",
            ("exclusion public.users.apart is 'EXCLUDE USING btree (age WITH =) WHERE ((age > 8))' in the migrations, "
            "'EXCLUDE USING btree (age WITH =) WHERE ((age > 9))' in the models")),
        'metadata,\n        sa.Column("id", sa.Integer, primary_key=True),\n        sa.Column("user_id"': (
            'metadata,\n        sa.Column("id", sa.Integer, primary_key=True),\n        sa.Column("x", sa.Integer),\n        sa.Column("user_id"',
            "only the models have column public.orders.x integer"),
    },
    {
        "sa.String(10), nullable=False": ("sa.String(10)",
            "column public.users.name is 'character varying(10) not null' in the migrations, 'character varying(10)' in the models"),
        '"age > 1"': ('"age > 2"',
            ("index public.ix_age is 'CREATE INDEX ix_age ON public.users USING btree (age) WHERE (age > 1)' in the migrations, "
            "'CREATE INDEX ix_age ON public.users USING btree (age) WHERE (age > 2)' in the models")),
        'sa.UniqueConstraint("name", name="uq_name")': ('sa.UniqueConstraint("name", "age", name="uq_name")',
            "unique public.users.uq_name is 'UNIQUE (name)' in the migrations, 'UNIQUE (name, age)' in the models"),
        'sa.ForeignKey("users.id", name="fk_user", ondelete="CASCADE")': ("sa.Integer",
            "only the migrations have foreign key public.orders.fk_user FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE"),
        ', where="age > 8"': ("",
            ("exclusion public.users.apart is 'EXCLUDE USING btree (age WITH =) WHERE ((age > 8))' in the migrations, "
            "'EXCLUDE USING btree (age WITH =)' in the models")),
        'sa.CheckConstraint("age > 0", name="ck_age"),': ("",
            "only the migrations have check public.users.ck_age CHECK ((age > 0))"),
        'sa.Enum("calm", "wild", name="mood")': ('sa.Enum("sad", "wild", "calm", name="mood")',
            "enum public.mood has 'sad' only in the models"),
    },
]  # fmt: skip


def differences(findings):
    """Return the differences that findings join: `2: one; the other`."""
    return [part for each in findings for part in re.sub(r"^\d+: ", "", each.measured).split("; ")]


@pytest.mark.parametrize("changes", CHANGES, ids=["types and texts", "objects"])
def test_each_kind_of_difference_is_seen(drift, changes):
    models = MODELS
    for model, (instead, _) in changes.items():
        assert model in models
        models = models.replace(model, instead)
    seen = set(differences(each for each in drift(models) if each.rule == "drift"))
    assert seen == {measured for _, measured in changes.values()} | (
        {"only the models have column public.users.n mood"} & seen
    )


def test_wider_types_are_one_note_limits_of_the_migrations_one_warning_and_narrower_types_an_error(drift):
    created = "op.execute('CREATE TABLE {0} (id bigserial PRIMARY KEY, name varchar, seen int, at bigint NOT NULL, code varchar(9), cost numeric(8, 2))')"
    models = 'sa.Table("{0}", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String({1})), sa.Column("seen", sa.BigInteger), sa.Column("at", sa.Integer), sa.Column("code", sa.{2}), sa.Column("cost", sa.Numeric))'
    migration = "\n".join(created.format(name) for name in "abc")
    texts = ("String", "Text", "String")
    modelled = "\n".join(models.format(name, limit, texts[limit - 5]) for limit, name in enumerate("abc", start=5))
    found = {finding.rule: finding for finding in drift(modelled, migration, "op.execute('DROP TABLE a, b, c')")}
    assert found["drift-wider"].level is Level.NOTE
    assert differences([found["drift-wider"]]) == [
        "bigint in the migrations, integer in the models: 3 columns of 3 tables (public.a, public.b, public.c)",
        "character varying in the migrations, character varying with a limit in the models: 3 columns of 3 tables (public.a, public.b, public.c)",
    ]
    assert (found["drift-limit"].level, found["drift-limit"].revision) == (Level.WARNING, "one")
    assert found["drift-limit"].measured == (
        "public.a.code is character varying(9), and character varying in the models, public.a.cost is numeric(8,2), and numeric in the models, "
        "public.b.code is character varying(9), and text in the models and 3 more"
    )
    assert found.keys() == {"drift-wider", "drift-limit", "drift"}
    assert {each.split(" ")[1].rpartition(".")[2] for each in differences([found["drift"]])} == {"seen", "at"}


@pytest.mark.parametrize(
    ("upgrade", "rules"),
    [
        ("CREATE VIEW seen AS SELECT 1 AS id, 2 AS more", []),
        ("CREATE VIEW seen AS SELECT 1 AS other", ["drift"]),
        ("CREATE MATERIALIZED VIEW seen AS SELECT 1 AS other", ["drift"]),
        ("DROP VIEW IF EXISTS seen", []),  # the application makes it at start
        ("CREATE VIEW seen AS SELECT 1 AS id; DROP VIEW seen", ["drift"]),
        ("SELECT 1", ["drift"]),
    ],
)
def test_a_model_of_a_view_is_no_missing_table(drift, upgrade, rules):
    statements = "\n".join(f"op.execute({each!r})" for each in upgrade.split("; "))
    models = 'sa.Table("seen", metadata, sa.Column("id", sa.Integer, primary_key=True))'
    undo = f"op.execute('DROP {'MATERIALIZED ' * ('MAT' in upgrade)}VIEW IF EXISTS seen')"
    found = drift(models, statements, undo, layers=(Layer.TRACE,))
    assert [each.rule for each in found] == rules


def test_a_view_that_an_earlier_revision_made_and_a_new_one_drops_is_missing(prove_history):
    create, drop = (f"op.execute('{each}')" for each in ("CREATE VIEW seen AS SELECT 1 AS id", "DROP VIEW seen"))
    models = 'sa.Table("seen", metadata, sa.Column("id", sa.Integer, primary_key=True))'
    history = {"one": (None, create, drop), "two": ("one", drop, create)}
    proof = prove_history(history, models=models, start_after="one", layers=(Layer.TRACE,))
    assert only([each for each in proof.findings if each.fails]) == "only the models have table public.seen"


BROUGHT = {
    "one": (None, MIGRATION, UNDO),
    "two": ("one", "op.add_column('users', sa.Column('x', sa.Integer()))", "op.drop_column('users', 'x')"),
    "three": ("two", "op.rename_table('users', 'people')", "op.rename_table('people', 'users')"),
}
BROUGHT_MODELS = (
    MODELS.replace('"users"', '"people"')
    .replace("users.id", "people.id")
    .replace("age > 0", "age > 5")
    .replace('sa.Column("age"', 'sa.Column("gone", sa.Text), sa.Column("age"')
    + '    sa.Index("by_name", "name", _table=metadata.tables["people"])\n'
)
CHECK, COLUMN, ADDED, INDEX = (
    "ck_age is ",
    "have column public.people.gone",
    "have column public.people.x",
    "have index public.by_name",
)


@pytest.mark.parametrize(
    ("start_after", "brought"),
    [
        (None, {(CHECK, "one"), (COLUMN, "three"), (ADDED, "two"), (INDEX, "one")}),
        ("one", {(COLUMN, "three"), (ADDED, "two")}),
        ("two", {(COLUMN, "three")}),
        ("three", set()),
    ],
)
def test_drift_is_an_error_of_the_revision_that_brought_it_and_of_old_ones_a_note(prove_history, start_after, brought):
    proof = prove_history(BROUGHT, models=BROUGHT_MODELS, start_after=start_after)
    findings = [finding for finding in proof.findings if finding.rule.startswith("drift")]
    errors = {(part, each.revision) for each in findings if each.level is Level.ERROR for part in differences([each])}
    assert len(errors) == len(brought)
    assert all(any(part in measured and revision == by for measured, revision in errors) for part, by in brought)
    notes = [finding.measured for finding in findings if finding.level is Level.NOTE]
    assert [note.partition(": ")[0] for note in notes] == ([f"{4 - len(brought)}"] if start_after else [])
    assert (proof.verdict is Verdict.FAIL) is bool(brought)


def test_what_a_new_revision_takes_along_is_its_drift_and_the_trace_of_its_downgrade(prove_history):
    """As a tool that rewrites a column to a changed enum does when it drops its helpers with CASCADE."""
    rewrite = """
        op.execute("ALTER TABLE users ADD status text DEFAULT 'active'")
        op.execute("ALTER TABLE users DROP COLUMN age CASCADE")
        op.execute("ALTER TABLE users ADD age int DEFAULT 1")
        op.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS uq_name")
    """
    proof = prove_history(
        {"one": (None, MIGRATION, UNDO), "two": ("one", rewrite, "op.drop_column('users', 'status')")},
        models=MODELS.replace(
            'sa.Column("age"', 'sa.Column("status", sa.Text, server_default="active"), sa.Column("age"'
        ),
        start_after="one",
    )
    findings = {
        (finding.rule, finding.revision, part.partition(".")[0])
        for finding in proof.findings
        for part in differences([finding])
    }
    assert findings == {
        ("drift", "two", "only the models have check public"),
        ("drift", "two", "only the models have exclusion public"),
        ("drift", "two", "only the models have index public"),
        ("drift", "two", "only the models have unique public"),
        ("R03", "two", "missing: check public"),
    }


@pytest.mark.parametrize("changed", [(), ("gone", "by_name", "sad")])
def test_drift_that_the_previous_release_had_is_old(write_project, prove_in_process, server_url, changed):
    """A model that changed is news even when no new revision touched its table, or when there is none."""
    unnamed = 'sa.CheckConstraint("age < 99"), sa.CheckConstraint("id > 0 AND age < 98"), sa.CheckConstraint('
    models = (
        BROUGHT_MODELS.replace('"wild"', '"wild", "sad"')
        .replace('age > 8", name="apart"', 'age > 9"')
        .replace("sa.CheckConstraint(", unnamed)
    )
    metadata = sa.MetaData()
    exec(textwrap.dedent(models), {"sa": sa, "metadata": metadata})
    known = [
        text for text in all_spelled(metadata.tables.values()) if not any(part in text.lower() for part in changed)
    ]
    config = write_project(BROUGHT, models=models)
    asked = question(config, layers=LAYERS, start_after="three", previous=Previous(name="v1", spelled=tuple(known)))
    findings = [finding for finding in prove_in_process(asked, server_url).findings if finding.rule != "drift-released"]
    assert {(finding.rule, finding.level, finding.revision) for finding in findings} == (
        {("drift", Level.ERROR, None)} if changed else set()
    )
    assert len(differences(findings)) == (3 if changed else 0)


def test_a_missing_table_is_one_difference_and_not_one_for_each_column(drift):
    assert only(
        drift(MODELS + '    sa.Table("more", metadata, sa.Column("id", sa.Integer, primary_key=True))\n')
    ).startswith("only the models have table public.more")


def test_a_table_without_a_model_is_a_difference(drift):
    migration = MIGRATION + "    op.execute('CREATE TABLE more (id serial PRIMARY KEY)')"
    assert only(drift(migration=migration, undo=UNDO + "\nop.drop_table('more')")).startswith(
        "only the migrations have table public.more"
    )


@pytest.mark.parametrize(
    ("model", "instead", "measured"),
    [
        ("uq_name", "users_name", "unique is public.users.uq_name in the migrations, public.users.users_name in the models"),
        ("ck_age", "positive", "check is public.users.ck_age in the migrations, public.users.positive in the models"),
        ("fk_user", "to_user", "foreign key is public.orders.fk_user in the migrations, public.orders.to_user in the models"),
        ("ix_age", "by_age", "index is public.ix_age in the migrations, public.by_age in the models"),
    ],
)  # fmt: skip
def test_a_difference_of_names_alone_is_a_warning(drift, model, instead, measured):
    (finding,) = drift(MODELS.replace(model, instead))
    assert (finding.rule, finding.level, finding.measured) == ("drift-name", Level.WARNING, measured)


ALTERED = """
    op.execute("ALTER TABLE users DROP CONSTRAINT ck_age, ADD CONSTRAINT ck_age CHECK (age > 0) NOT VALID")
    op.execute("ALTER TABLE orders DROP CONSTRAINT fk_user, ADD CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE NOT VALID")
"""


def test_a_model_may_say_that_a_constraint_is_not_validated_yet(drift):
    unchecked = MODELS.replace('"ck_age"', '"ck_age", postgresql_not_valid=True').replace(
        'ondelete="CASCADE"', 'ondelete="CASCADE", postgresql_not_valid=True'
    )
    assert [each for each in drift(unchecked, MIGRATION + ALTERED) if each.rule.startswith("drift")] == []


def test_the_advice_on_a_difference_that_autogenerate_does_not_see_names_another_way(drift):
    findings = drift(MODELS.replace('"wild"', '"sad"'), MIGRATION + ALTERED)
    remedies = {re.search(r"public\.\S+", each.measured)[0]: each.remedy for each in findings if each.rule == "drift"}
    assert remedies == {
        "public.users.ck_age": rules.VALIDATED.format(table="public.users", name="ck_age"),
        "public.orders.fk_user": rules.VALIDATED.format(table="public.orders", name="fk_user"),
        "public.mood": rules.BY_HAND,
    }


def test_the_advice_on_old_differences_says_what_autogenerate_does_not_compare(prove_history):
    by_hand = MODELS.replace('"wild"', '"sad"')
    for models, advice in (
        (MODELS.replace('sa.Column("age"', 'sa.Column("more", sa.Text), sa.Column("age"'), rules.RELEASED_DRIFT.advice),
        (by_hand, rules.RELEASED_BY_HAND.format(unseen="enum types")),
    ):
        proof = prove_history({"one": (None, MIGRATION, UNDO)}, models=models, start_after="one")
        assert [each.remedy for each in proof.findings if each.rule == "drift-released"] == [advice]
        shutil.rmtree("migrations")


def test_the_version_table_is_nobodys_model(drift):
    assert drift(options="version_table='applied'") == ()


def test_a_version_table_in_a_schema_of_its_own_is_nobodys_model(drift):
    schema = "    op.execute('CREATE SCHEMA IF NOT EXISTS book')"
    env_creates = "connection.execute(sa.text('CREATE SCHEMA IF NOT EXISTS book'))"
    assert drift(migration=MIGRATION + schema, options=f"version_table_schema={env_creates} and 'book'") == ()


LEGACY = MIGRATION + "    op.execute('CREATE TABLE legacy (id serial PRIMARY KEY)')"
UNDO_LEGACY = UNDO + "\nop.drop_table('legacy')"


@pytest.mark.parametrize(
    "options",
    [
        "include_name=lambda name, kind, parents: not (kind == 'table' and name == 'legacy')",
        "include_name=lambda name, kind, parents: kind != 'table' or parents['schema_qualified_table_name'] in metadata.tables",
        "include_object=lambda thing, name, kind, reflected, other: not (kind == 'table' and name == 'legacy')",
        "include_object=lambda thing, name, kind, reflected, other: not (reflected and other is None)",
    ],
    ids=["a name", "the documented recipe for names", "an object", "the recipe for tables without a model"],
)
def test_a_table_that_autogenerate_leaves_out_is_no_difference(drift, options):
    assert drift(migration=LEGACY, undo=UNDO_LEGACY, options=options) == ()


@pytest.mark.parametrize(
    "options",
    [
        "include_name=lambda name, kind, parents: kind != 'table' or parents['schema_qualified_table_name'] in metadata.tables",
        "include_name=lambda name, kind, parents: kind != 'schema' or name is None",
        "include_object=lambda thing, name, kind, reflected, other: not (reflected and other is None)",
    ],
)
def test_filters_that_let_models_through_hide_no_difference(drift, options):
    assert "ck_age" in only(drift(MODELS.replace("age > 0", "age > 5"), options=options))


def test_a_model_that_autogenerate_leaves_out_is_no_difference(drift):
    models = MODELS + '    sa.Table("elsewhere", metadata, sa.Column("id", sa.Integer), info={"skip": True})\n'
    options = "include_object=lambda thing, name, kind, reflected, other: not thing.info.get('skip')"
    assert drift(models, options=options) == ()


def test_a_schema_that_autogenerate_leaves_out_is_no_difference(drift):
    migration = (
        MIGRATION
        + "    op.execute('CREATE SCHEMA IF NOT EXISTS audit')\n    op.execute('CREATE TABLE IF NOT EXISTS audit.log ()')"
    )
    undo = UNDO + "\nop.execute('DROP SCHEMA audit CASCADE')"
    options = "include_name=lambda name, kind, parents: kind != 'schema' or name in (None, 'other')"
    assert drift(migration=migration, undo=undo, options=options) == ()


EQUIVALENT = """
    op.execute("CREATE SEQUENCE numbers")
    op.execute("CREATE TYPE unused AS ENUM ('a')")
    op.execute("CREATE FUNCTION token() RETURNS text LANGUAGE sql AS $$ SELECT md5('5%') $$")
    op.execute("CREATE TYPE mood AS ENUM ('calm', 'wild')")
    op.execute('''CREATE TABLE old (
        id serial PRIMARY KEY, at timestamptz DEFAULT CURRENT_TIMESTAMP, total numeric(12, 2) DEFAULT 0, state varchar(9) DEFAULT 'new'::text,
        token text DEFAULT token(), number int DEFAULT nextval('numbers'), m mood, none text DEFAULT NULL::text, until timestamp(6),
        tags text[] DEFAULT ARRAY[]::text[], twice int GENERATED ALWAYS AS (id * (1 + 1)) STORED, fetched int DEFAULT 5, left_alone int DEFAULT 5,
        paid boolean, CONSTRAINT apart EXCLUDE USING btree (number WITH =) WHERE (paid = true) DEFERRABLE,
        CONSTRAINT ck_state CHECK (state = ANY (ARRAY['b', 'a', 'new'])), CHECK (total >= 0 - 0), CONSTRAINT once UNIQUE (token), UNIQUE (total, state))''')
    op.execute("CREATE INDEX ix_open ON old USING btree (lower(state::text) ASC) WHERE NOT state = 'done'")
    op.execute("CREATE INDEX ix_keys ON old (number, (state IN ('b', 'a')) DESC, (number * (1 + 1)))")
    op.execute("ALTER TABLE old RENAME TO new")
    op.execute("ALTER TABLE new ENABLE ROW LEVEL SECURITY, REPLICA IDENTITY FULL, SET (autovacuum_vacuum_scale_factor = 0.1)")
    op.execute("CREATE TABLE counted (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, new_id int CONSTRAINT any_name REFERENCES new)")
    op.execute("ALTER TABLE counted ADD CONSTRAINT adds_nothing UNIQUE (id)")
"""
EQUIVALENT_MODELS = """
    from sqlalchemy.dialects import postgresql
    sa.Table(
        "new", metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("total", sa.Numeric(12, 2), server_default="0.0"),
        sa.Column("state", sa.String(9), server_default="new"),
        sa.Column("token", sa.Text, server_default=sa.text("token()"), unique=True),
        sa.Column("number", sa.Integer, server_default=sa.text("nextval('numbers')")),
        sa.Column("m", postgresql.ENUM("calm", "wild", name="mood", create_type=False)),
        sa.Column("none", sa.Text),
        sa.Column("until", sa.DateTime),
        sa.Column("tags", sa.ARRAY(sa.Text), server_default="{}"),
        sa.Column("twice", sa.Integer, sa.Computed("id * 2", persisted=True)),
        sa.Column("fetched", sa.Integer, server_default=sa.FetchedValue()),
        sa.Column("left_alone", sa.Integer),
        sa.Column("paid", sa.Boolean),
        postgresql.ExcludeConstraint(("number", "="), using="btree", where="paid", deferrable=True, name="apart"),
        sa.CheckConstraint("state IN ('new', 'a', 'b')", name="ck_state"),
        sa.CheckConstraint("total >= 0"),
        sa.UniqueConstraint("state", "total", name="state_and_total"),
        sa.Index("ix_keys", "number", sa.text("(state IN ('a', 'b')) DESC"), sa.text("(number * 2)")),
        sa.Index("ix_open", sa.text("lower(state)"), postgresql_where=sa.text("state <> 'done'")),
    )
    sa.Table(
        "counted", metadata,
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("new_id", sa.ForeignKey("new.id")),
        sa.UniqueConstraint("id", name="adds_nothing"),
    )
"""
UNDO_EQUIVALENT = """
op.execute("DROP TABLE counted, new")
op.execute("DROP FUNCTION token")
op.execute("DROP TYPE mood, unused")
op.execute("DROP SEQUENCE numbers")
"""


def test_spellings_and_names_that_mean_the_same_are_no_difference(drift):
    assert drift(EQUIVALENT_MODELS, EQUIVALENT, UNDO_EQUIVALENT) == ()


def test_tables_that_a_revision_reflects_into_the_models_are_no_models(prove_history):
    reflects = """
    op.execute("CREATE TABLE gone (id int)")
    op.execute("ALTER TABLE users ADD COLUMN extra int")
    op.get_context().opts["target_metadata"].reflect(op.get_bind(), extend_existing=True)
    op.execute("DROP TABLE gone")
    op.execute("ALTER TABLE users DROP COLUMN extra")
    """
    revisions = {"one": (None, MIGRATION + reflects, UNDO)}
    assert prove_history(revisions, models=MODELS, layers=LAYERS).findings == ()


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        ("", []),
        ("compare_server_default=True", ["a default in the migrations, none in the models: public.users.age"]),
        ("compare_server_default=lambda context, there, model, spelled, default, rendered: False if spelled == '1' and default is None else None", []),
        ("compare_server_default=lambda *_: None", ["a default in the migrations, none in the models: public.users.age"]),
    ],
)  # fmt: skip
def test_a_default_that_only_migrations_have_is_left_to_alembics_option(drift, options, measured):
    models = MODELS.replace(', server_default="1"', "")
    assert [finding.measured for finding in drift(models, options=options)] == measured


def test_a_default_that_only_the_models_have_is_always_a_difference(drift):
    migration = MIGRATION.replace("age int DEFAULT 1", "age int").replace(
        "id serial PRIMARY KEY, user_id", "id int PRIMARY KEY, user_id"
    )
    findings = drift(migration=migration)
    assert {each.partition(" in the ")[0] for each in differences(findings)} == {
        "column public.users.age is 'integer'",
        "column public.orders.id is 'integer not null'",
    }


@pytest.mark.parametrize(
    ("options", "differences"),
    [
        ("compare_type=False", 0),
        ("compare_type=lambda context, there, model, old, new: False if (old.length, new.length) == (10, 20) else None", 0),
        ("compare_type=lambda *_: None", 1),
    ],
)  # fmt: skip
def test_types_that_the_project_calls_the_same_are_no_difference(drift, options, differences):
    assert len(drift(MODELS.replace("sa.String(10)", "sa.String(20)"), options=options)) == differences


FILTERED = """
    op.execute("CREATE TABLE other (id serial PRIMARY KEY)")
    op.execute("CREATE TABLE users (id serial PRIMARY KEY, legacy int, dba int CONSTRAINT dba_c UNIQUE, age int CONSTRAINT dba_f REFERENCES other)")
    op.execute("CREATE INDEX dba_i ON users (age)")
    op.execute("CREATE INDEX changed ON users (age)")
    op.execute("ALTER TABLE users ADD CONSTRAINT dba_k CHECK (age > 0)")
"""
FILTERED_MODELS = """
    sa.Table("other", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table(
        "users", metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dba", sa.Integer),
        sa.Column("age", sa.Integer),
        sa.Column("skipped", sa.Integer, info={"skip": True}),
        sa.Index("changed", "age", unique=True),
    )
    asked = []
    def include_object(thing, name, kind, reflected, other):
        asked.append((kind, name, reflected, other is not None, thing.name))
        if kind != "table" and kind != "column":
            assert thing.table.name == "users" and thing.table.c.keys()
        if kind == "column":
            assert thing.table.name in ("users", "other")
        hidden = name in ("legacy", "changed") or name.startswith("dba_") and reflected and other is None
        return not hidden and not getattr(thing, "info", {}).get("skip")
"""


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ("", {"column", "index", "unique", "foreign", "check"}),
        ("include_object=include_object", set()),
        (
            "include_name=lambda name, kind, parents: kind not in ('index', 'check_constraint') or parents['table_name'] != 'users'",
            {"column", "unique", "foreign"},
        ),
    ],
)
def test_every_kind_of_object_is_asked_about_as_autogenerate_asks(drift, options, kinds):
    findings = drift(FILTERED_MODELS, FILTERED, "op.drop_table('users')\nop.drop_table('other')", options=options)
    assert {re.search("(column|index|unique|foreign|check) ", each)[1] for each in differences(findings)} == kinds


def test_models_in_several_metadata_objects_are_taken_together(drift):
    second = MODELS.replace(
        'sa.Table(\n        "orders", metadata', 'second = sa.MetaData()\n    sa.Table(\n        "orders", second'
    )
    second = second.replace('sa.ForeignKey("users.id"', 'sa.ForeignKey(metadata.tables["users"].c.id')
    assert drift(second + "    metadata = [metadata, second]\n") == ()


def test_models_in_a_schema_are_compared_there(drift):
    migration = "op.execute('CREATE SCHEMA shop')\nop.execute('CREATE TABLE shop.cart (id int PRIMARY KEY)')"
    models = 'sa.Table("cart", metadata, sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), schema="shop")'
    assert "shop.cart.id" in only(drift(models, migration, "op.execute('DROP SCHEMA shop CASCADE')"))


def test_models_may_use_an_extension_that_the_migrations_create(drift):
    migration = "op.execute('CREATE EXTENSION citext')\nop.execute('CREATE TABLE a (x citext)')"
    models = 'from sqlalchemy.dialects.postgresql import CITEXT\nsa.Table("a", metadata, sa.Column("x", CITEXT))'
    assert drift(models, migration, "op.drop_table('a')\nop.execute('DROP EXTENSION citext')") == ()


def test_models_cannot_express_views_so_a_view_is_no_difference(drift):
    view = "    op.execute('CREATE VIEW seen AS SELECT 1 AS one')"
    assert drift(migration=MIGRATION + view, undo="op.execute('DROP VIEW seen')\n" + UNDO) == ()


def test_partitions_are_no_difference(drift):
    migration = """
        op.execute("CREATE TABLE logs (id int) PARTITION BY RANGE (id)")
        op.execute("CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10)")
    """
    models = 'sa.Table("logs", metadata, sa.Column("id", sa.Integer), postgresql_partition_by="RANGE (id)")'
    assert drift(models, migration, "op.drop_table('logs')") == ()


def test_names_that_need_quotes_are_compared_too(drift):
    migration = 'op.execute(\'CREATE TABLE "My.Table" (id serial PRIMARY KEY, "A" int CONSTRAINT "ck.A" CHECK ("A" > 0) UNIQUE)\')'
    models = """
        sa.Table(
            "My.Table", metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("A", sa.Integer, unique=True),
            sa.CheckConstraint('"A" > 0', name="ck.A"),
        )
    """
    undo = "op.drop_table('My.Table')"
    assert drift(models, migration, undo) == ()


@pytest.mark.parametrize(
    ("models", "what"),
    [(None, "no target_metadata"), ("assert not metadata.tables", "a target_metadata without tables")],
)
def test_without_models_nothing_is_compared_and_the_proof_says_so(prove_history, models, what):
    proof = prove_history({"one": (None, MIGRATION, UNDO)}, models=models)
    assert proof.findings == ()
    assert f"models were not compared: env.py gives {what}; {_IF_MODELS}" in proof.coverage.gaps


def test_the_metadata_that_has_the_tables_is_named(monkeypatch):
    module = ModuleType("crows")
    module.__file__ = "crows.py"
    module.other, module.Base = sa.MetaData(), type("Base", (), {"metadata": sa.MetaData(), "__module__": "crows"})
    sa.Table("a", module.Base.metadata)
    monkeypatch.setitem(sys.modules, "crows", module)
    assert with_tables(lambda file: file == "crows.py") == "crows.Base.metadata"


def test_models_are_not_compared_with_half_a_history_and_the_proof_says_so(prove_history):
    proof = prove_history({"one": (None, "op.drop_table('no_such')", "")}, models=MODELS)
    assert [finding.rule for finding in proof.findings] == ["U01"]
    assert "models were not compared: the history does not reach its head" in proof.coverage.gaps


UNBUILT = """
    class Odd(sa.TypeDecorator):
        impl, cache_ok = sa.Text, True
        def load_dialect_impl(self, dialect):
            raise LookupError("no type for it")
    sa.Table("a", metadata, sa.Column("x", sa.Integer, primary_key=True), sa.Column("y", {type}))
    sa.Table("b", metadata, sa.Column("x", sa.ForeignKey("a.x")), sa.Column("z", sa.Integer))
    sa.Table("c", metadata, sa.Column("b", sa.Integer))
"""
A_AND_B = {
    "one": (None, "op.execute('CREATE TABLE a (x int PRIMARY KEY, y text)')", "op.drop_table('a')"),
    "two": (
        "one",
        "op.execute('CREATE TABLE b (x int REFERENCES a)')\nop.execute('CREATE TABLE c (b int)')",
        "op.drop_table('b')\nop.drop_table('c')",
    ),
}


@pytest.mark.parametrize(
    ("type_", "error"),
    [
        ("sa.UnicodeText(512)", "ProgrammingError: (psycopg.errors.SyntaxError) type modifier is not allowed"),
        ("sa.ForeignKey('no.such')", "NoReferencedTableError: "),
        ("Odd", "LookupError: no type for it"),
    ],
)
def test_only_a_table_whose_model_does_not_build_is_left_out_and_the_verdict_says_so(prove_history, type_, error):
    proof = prove_history(A_AND_B, models=UNBUILT.format(type=type_), start_after="one")
    assert [finding.measured for finding in proof.findings] == ["only the models have column public.b.z integer"]
    (gap,) = (gap for gap in proof.coverage.gaps if "models" in gap)
    assert gap.startswith(f"models were not compared: those of public.a, which cannot be created ({error}")
    assert proof.coverage.unproven == ("models of public.a",)


def test_a_new_revision_of_a_table_whose_model_does_not_build_is_not_passed(prove_history):
    models = UNBUILT.format(type="sa.UnicodeText(512)").replace(', sa.Column("z", sa.Integer)', "")
    (found,) = prove_history(A_AND_B, models=models).findings
    assert (found.rule, found.revision, found.level) == ("drift-unknown", "one", Level.ERROR)
    assert found.measured.startswith("public.a was not compared: ")


def test_env_py_may_name_one_metadata_or_several_or_none():
    assert metadata_of({}) == ()
    assert metadata_of({"target_metadata": None}) == ()


def test_a_new_revision_is_not_passed_when_an_option_of_env_py_fails(prove_history):
    options = "include_object=lambda thing, *_: thing.no_such"
    (found,) = prove_history({"one": (None, MIGRATION, UNDO)}, models=MODELS, options=options).findings
    assert (found.rule, found.level) == ("drift-unknown", Level.ERROR)
    assert "an option of env.py, fail at migrations/env.py line" in found.measured
    assert "no_such" in found.measured
