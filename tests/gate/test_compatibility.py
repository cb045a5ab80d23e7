"""The previous release on the new schema: a statement that worked before a revision must work after it."""

import pytest
import sqlalchemy as sa

from slipway.gate.findings import compatibility
from slipway.gate.layers import queries, seeds
from slipway.gate.layers.candidates import Type
from slipway.gate.layers.queries import as_models
from slipway.gate.prove import prove
from slipway.records.gate import Column, Model, Previous, Recorded
from slipway.records.proof import Layer, Level
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

LAYERS = (Layer.TRACE, Layer.PREVIOUS)
TABLE = (
    None,
    "op.execute('CREATE TABLE a (id int PRIMARY KEY, b text, c text)')",
    "op.drop_table('a')",
)
DROPS_B = "op.execute('ALTER TABLE a DROP b')"
ADDS = "op.execute('CREATE TABLE z (id int)')"
KEPT = "pass"  # as a downgrade; one that fails would cost each revision a new session


def models(*columns, name="a"):
    table = sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), *columns)
    return tuple(as_models([table]))


@pytest.fixture
def replayed(write_project, server_url):
    """Proves revisions after one with a table while a release is live; returns its findings and the coverage."""

    def run(previous, table=TABLE, own=None, *, required=False, **revisions):
        down, history = "one", {"one": table}
        for name, upgrade in revisions.items():
            history[name] = (down, upgrade, KEPT)
            down = name
        asked = {"layers": LAYERS, "start_after": "one", "previous": previous, "previous_required": required}
        proof = prove(question(write_project(history, models=own), **asked), server_url)
        found = [(each.rule, each.revision, each.line) for each in proof.findings if each.rule.startswith("C")]
        return found, proof.coverage

    return run


def test_an_object_that_the_models_do_not_name_can_be_dropped(replayed):
    live = Previous(name="v1", models=models(sa.Column("c", sa.Text)))
    found, coverage = replayed(live, two=DROPS_B)
    assert found == []
    assert (coverage.previous, coverage.previous_statements) == ("v1", 5)


def test_a_failure_is_reported_once_at_the_first_revision_that_causes_it(replayed):
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text), sa.Column("c", sa.Text)))
    drops_c = "op.execute('ALTER TABLE a DROP c')"
    found, _ = replayed(live, two="op.execute('ALTER TABLE a ADD d int')", three=DROPS_B, four=drops_c)
    assert found == [("C01", "three", 10)]


def test_the_line_is_that_of_the_statement_which_names_most_of_what_the_error_names(replayed):
    upgrade = "op.execute('ALTER TABLE a ADD d int')\nop.execute('ALTER TABLE a ADD e int NOT NULL DEFAULT 1')\nop.execute('ALTER TABLE a ALTER e DROP DEFAULT')"
    found, _ = replayed(Previous(name="v1", models=models(sa.Column("b", sa.Text))), two=upgrade)
    assert found == [("C05", "two", 11)]


def test_recorded_statements_are_replayed(replayed):
    live = Previous(name="v1", recorded=(Recorded("SELECT b FROM a WHERE id = '1' OR id::text LIKE '%9'", "app.py:7"),))
    found, coverage = replayed(live, two=DROPS_B)
    assert found == [("C01", "two", 10)]
    assert coverage.previous_statements == 1


def test_a_recorded_statement_about_rows_that_only_its_tests_had_is_prepared(replayed):
    taken = Recorded("INSERT INTO a (id, b) VALUES ('7001', 'x')", "app.py:9")
    found, coverage = replayed(Previous(name="v1", recorded=(taken,)), two=DROPS_B)
    assert coverage.previous_statements == 1
    assert found == [("C01", "two", 10)]


def test_a_statement_that_fails_before_the_first_new_revision_is_a_gap_and_no_finding(replayed):
    live = Previous(name="v1", models=models(name="others"), recorded=(Recorded("SELECT nothing FROM a", "app.py:7"),))
    found, coverage = replayed(live, two=DROPS_B)
    assert found == []
    assert coverage.gaps[-2:] == (
        "no statement of v1 on others works before the first new revision",
        "1 of 1 recorded statements do not run on filled tables",
    )


def test_a_revision_that_fails_on_rows_is_judged_on_empty_tables(replayed):
    referring = table(
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "CREATE TABLE a (id int PRIMARY KEY, b text, parent int NOT NULL REFERENCES parents)",
    )
    upgrade = "op.execute('ALTER TABLE a ADD d int NOT NULL')"
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text), sa.Column("parent", sa.Integer)))
    found, coverage = replayed(live, referring, two=upgrade)
    assert found == [("C05", "two", 10)]
    start = "v1 was replayed on empty tables only, because the upgrade fails on rows (IntegrityError: "
    assert any(gap.startswith(start) for gap in coverage.gaps)


def test_a_previous_release_that_was_not_replayed_to_the_end_has_not_been_tried(replayed):
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text)))
    _, coverage = replayed(live, two=ADDS, three="raise ValueError('never')")
    assert (coverage.previous_statements, coverage.previous_digest) == (0, "")
    assert any(gap.startswith("v1 was not replayed to the end: ") for gap in coverage.gaps)
    assert not any("on empty tables only" in gap for gap in coverage.gaps)


def test_a_revision_that_copies_keys_between_tables_is_judged_on_rows(replayed):
    both = table("CREATE TABLE a (id uuid PRIMARY KEY, b text)", "CREATE TABLE c (id uuid PRIMARY KEY, b text)")
    upgrade = "op.execute('INSERT INTO c SELECT id, b FROM a')\nop.execute('ALTER TABLE a DROP COLUMN b')"
    found, coverage = replayed(Previous(name="v1", models=models(sa.Column("b", sa.Text))), table=both, two=upgrade)
    assert [each[:2] for each in found] == [("C01", "two")]
    assert not any("empty tables only" in gap for gap in coverage.gaps)


@pytest.mark.parametrize("required", [False, True])
def test_a_release_whose_models_are_unknown_is_a_gap_or_an_error(replayed, required):
    unknown = Previous(name="v1", refusal="there is no lock; run uv lock")
    found, coverage = replayed(unknown, two=ADDS, required=required)
    assert coverage.gaps[-1] == "the models of v1 are not known: there is no lock; run uv lock"
    assert found == ([("C21", "two", 9)] if required else [])


def test_a_required_release_that_was_not_named_is_an_error(replayed):
    assert replayed(None, two=ADDS, required=True)[0] == [("C21", "two", 9)]


def test_a_required_release_that_was_replayed_may_have_been_read_in_todays_environment(replayed):
    live = Previous(name="v1", models=models(sa.Column("c", sa.Text)), caveat="uv pip failed")
    found, coverage = replayed(live, two=DROPS_B, required=True)
    assert found == []
    assert coverage.gaps[-1].endswith("were read in today's environment, not its own: uv pip failed")


def table(*statements):
    return None, "\n".join(f'op.execute("{statement}")' for statement in statements), KEPT


JOBS = table(
    "CREATE TYPE state AS ENUM ('open', 'done')",
    "CREATE TABLE jobs (name varchar(50), id serial PRIMARY KEY, state state NOT NULL DEFAULT 'open')",
)


def jobs():
    columns = [
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("state", sa.Enum("open", "done", name="state"), server_default="open"),
        sa.Column("name", sa.String),
    ]
    return Previous(name="v1", models=tuple(as_models([sa.Table("jobs", sa.MetaData(), *columns)])))


@pytest.mark.parametrize(
    ("upgrade", "rule"),
    [
        ("ALTER TYPE state RENAME VALUE 'done' TO 'finished'", "C10"),
        ("ALTER TABLE jobs ADD CHECK (state <> 'done') NOT VALID", "C08"),
        ("ALTER TABLE jobs ADD CHECK (length(name) <= 35) NOT VALID", "C08"),
        ("ALTER TABLE jobs ALTER state DROP DEFAULT, ALTER state TYPE text", None),
        ("ALTER TABLE jobs ALTER state DROP DEFAULT, ALTER state TYPE text; UPDATE jobs SET state = 'late'", "C10"),
        ("ALTER TABLE jobs ALTER name TYPE varchar(100)", "C19"),
        (
            "ALTER TABLE jobs ENABLE ROW LEVEL SECURITY; ALTER TABLE jobs FORCE ROW LEVEL SECURITY; CREATE POLICY p ON jobs USING (true) WITH CHECK (id < 0)",
            "C13",
        ),
        ("ALTER TABLE jobs ADD other int", None),
    ],
)
def test_a_column_with_a_default_is_written_every_value_is_read_and_policies_and_old_plans_apply(
    replayed, upgrade, rule
):
    found, _ = replayed(jobs(), JOBS, two=f'op.execute("{upgrade}")')
    expected = {rule, "C09" if "DROP DEFAULT" in upgrade else None, "C19" if "TYPE text" in upgrade else None} - {None}
    assert {each[0] for each in found} == expected


@pytest.mark.parametrize(("own", "rules"), [({"default": "open"}, []), ({}, ["C09"])])
def test_a_default_may_be_dropped_when_the_code_of_the_release_has_one_of_its_own(replayed, own, rules):
    state = sa.Column("state", sa.Enum("open", "done", name="state"), nullable=False, **own)
    table = sa.Table("jobs", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), state)
    live = Previous(name="v1", models=tuple(as_models([table])))
    found, _ = replayed(live, JOBS, two='op.execute("ALTER TABLE jobs ALTER state DROP DEFAULT")')
    assert [rule for rule, *_ in found] == rules


def test_a_default_that_a_sequence_takes_along_is_a_dropped_one(replayed):
    found, _ = replayed(jobs(), JOBS, two='op.execute("DROP SEQUENCE jobs_id_seq CASCADE")')
    assert "C09" in {rule for rule, *_ in found}
    assert "C06" not in {rule for rule, *_ in found}


def test_a_new_value_is_a_warning_where_the_models_know_all_values(replayed):
    added = "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE state ADD VALUE 'late'\")"
    assert replayed(jobs(), JOBS, two=added)[0] == [("C18", "two", 11)]


def test_a_row_that_a_revision_writes_is_no_new_constraint(replayed):
    held = table("CREATE TABLE jobs (id serial PRIMARY KEY, name varchar(50) UNIQUE)")
    columns = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String)]
    live = Previous(name="v1", models=tuple(as_models([sa.Table("jobs", sa.MetaData(), *columns)])))
    writes = "op.execute(\"INSERT INTO jobs (name) SELECT 'v' || n FROM generate_series(4, 9) n\")"
    assert replayed(live, held, two=writes, three="op.execute('ALTER TABLE jobs ADD CHECK (id < 0) NOT VALID')")[0] == [
        ("C08", "three", 10)
    ]


KEYS = ("l_id", "r_id")


def test_rows_of_pairs_and_of_one_to_one_tables_are_inserted(replayed):
    pairs = table(
        "CREATE TABLE l (id int PRIMARY KEY)",
        "CREATE TABLE r (id int PRIMARY KEY)",
        "CREATE TABLE pairs (l_id int REFERENCES l, r_id int REFERENCES r, PRIMARY KEY (l_id, r_id))",
        "CREATE TABLE details (l_id int PRIMARY KEY REFERENCES l, words text)",
    )
    metadata = sa.MetaData()
    sa.Table("pairs", metadata, *(sa.Column(key, sa.ForeignKey(f"{key[0]}.id"), primary_key=True) for key in KEYS))
    sa.Table("details", metadata, sa.Column("l_id", sa.Integer, primary_key=True, autoincrement=False))
    live = Previous(name="v1", models=tuple(as_models(metadata.tables.values())))
    checks = "op.execute('ALTER TABLE {0} ADD CHECK (l_id < 0) NOT VALID')"
    found, coverage = replayed(live, pairs, two=checks.format("pairs"), three=checks.format("details"))
    assert [each[:2] for each in found] == [("C08", "two"), ("C08", "three")]
    assert not any("no INSERT" in gap for gap in coverage.gaps)


def test_a_trigger_that_names_what_was_dropped_breaks_the_new_release(replayed):
    touch = "CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.{1} := 'x'; RETURN NEW; END $$"
    hook = "CREATE TRIGGER {0} BEFORE UPDATE ON {1} FOR EACH ROW EXECUTE FUNCTION {0}()"
    triggers = table(
        "CREATE TABLE a (id int PRIMARY KEY, b text)",
        "CREATE TABLE old (id int PRIMARY KEY, b text, c int NOT NULL)",
        *(touch.format("sets_b", "b"), hook.format("sets_b", "a")),
        *(touch.format("sets_no", "no"), hook.format("sets_no", "old")),
    )
    columns = "sa.Column('id', sa.Integer, primary_key=True)"
    broken_before = "sa.Column('b', sa.Text), sa.Column('c', sa.Integer, server_default='1')"
    own = f"sa.Table('a', metadata, {columns}); sa.Table('old', metadata, {columns}, {broken_before})"
    without_lock = Previous(name="v1", refusal="there is no lock; run uv lock")
    found, _ = replayed(without_lock, triggers, own, two=DROPS_B, three="op.execute('CREATE TABLE c (id int)')")
    assert [each for each in found if each[0] == "C20"] == [("C20", "two", 10)]


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("ALTER TABLE jobs RENAME name TO title", ("C03", True)),
        ("ALTER TABLE jobs ADD size int NOT NULL DEFAULT 1; ALTER TABLE jobs ALTER size DROP DEFAULT", ("C05", True)),
        ("ALTER TYPE state RENAME VALUE 'done' TO 'finished'", ("C10", True)),
        ("ALTER TABLE jobs DROP name", ("C01", False)),
        ("ALTER TABLE jobs ADD CONSTRAINT named CHECK (name IS NOT NULL) NOT VALID", ("C06", False)),
        ("ALTER TABLE jobs ADD UNIQUE (name)", ("C08", False)),
        ("UPDATE jobs SET name = id; CREATE UNIQUE INDEX ON jobs (name) WHERE name <> ''", ("C08", False)),
        ("ALTER TABLE jobs ALTER name TYPE json USING to_json(name)", ("C07", False)),  # rows are deleted by their key
        ("CREATE TABLE others (id int REFERENCES jobs)", None),
    ],
)
def test_without_a_previous_release_the_schema_before_a_revision_takes_its_place(
    write_project, server_url, upgrade, expected
):
    history = {"one": JOBS, "two": ("one", f'op.execute("{upgrade}")', KEPT)}
    proof = prove(question(write_project(history), layers=LAYERS, start_after="one"), server_url)
    found = [(each.rule, each.fails) for each in proof.findings if each.rule.startswith("C")]
    assert found == ([expected] if expected else [])
    assert any("the schema before each new revision took its place" in gap for gap in proof.coverage.gaps)


def test_a_column_is_reported_at_the_revision_that_fills_it_also_outside_a_transaction(write_project, server_url):
    fill = """
        with op.get_context().autocommit_block():
            op.execute("UPDATE jobs SET title = name WHERE title IS NULL")
    """
    history = {
        "one": JOBS,
        "two": ("one", "op.execute('ALTER TABLE jobs ADD title text')", KEPT),
        "three": ("two", fill, KEPT),
        "four": ("three", "op.execute('ALTER TABLE jobs ALTER title SET STATISTICS 9')", KEPT),
    }
    proof = prove(question(write_project(history), layers=LAYERS, start_after="one"), server_url)
    assert [(each.rule, each.revision) for each in proof.findings if each.rule[0] == "C"] == [("C23", "three")]


def test_a_revision_after_one_that_breaks_the_inserts_is_not_blamed_for_the_column_that_it_filled(
    write_project, server_url
):
    instead = "ALTER TABLE jobs ADD title text; UPDATE jobs SET title = name; ALTER TABLE jobs DROP name"
    history = {
        "one": JOBS,
        "two": ("one", f"op.execute('{instead}')", KEPT),
        "three": ("two", "op.execute('ALTER TABLE jobs ALTER title SET STATISTICS 9')", KEPT),
    }
    proof = prove(question(write_project(history), layers=LAYERS, start_after="one"), server_url)
    assert [(each.rule, each.revision) for each in proof.findings if each.rule[0] == "C"] == [("C01", "two")]


ODD = table(
    "CREATE TYPE mood AS ENUM ('calm')",
    "CREATE DOMAIN tone AS mood",
    "CREATE TABLE moods (id int PRIMARY KEY, every mood[])",
    r"CREATE TABLE \"To.nes\" (id int PRIMARY KEY, first tone)",
)
ODD_REVISIONS = {
    "two": "ALTER TYPE mood ADD VALUE 'wild'",
    "three": 'ALTER TABLE "To.nes" ADD "No 1" int DEFAULT 1; ALTER TABLE "To.nes" ALTER "No 1" SET DEFAULT NULL',
    "four": """ALTER TABLE "To.nes" ADD CONSTRAINT "a.b" CHECK (id > 0) NOT VALID;
        ALTER DOMAIN tone ADD CONSTRAINT calm CHECK (VALUE = 'calm') NOT VALID""",
    "five": """ALTER TABLE "To.nes" ADD "No 2" text; UPDATE "To.nes" SET "No 2" = first""",
    "six": """ALTER TABLE moods ADD first text;
        CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.first := NEW.every[1]; RETURN NEW; END $$;
        CREATE TRIGGER first BEFORE INSERT OR UPDATE ON moods FOR EACH ROW EXECUTE FUNCTION first();
        UPDATE moods SET every = every""",
    "seven": "ALTER TABLE moods ADD last text; UPDATE moods SET last = 'one of them' WHERE id = (SELECT min(id) FROM moods)",
}


def test_labels_in_arrays_and_domains_and_names_in_quotes_are_known(write_project, server_url):
    downs = ("one", *ODD_REVISIONS)
    revisions = {
        id_: (down, f"op.execute({sql!r})", KEPT)
        for (id_, sql), down in zip(ODD_REVISIONS.items(), downs, strict=False)
    }
    proof = prove(question(write_project({"one": ODD, **revisions}), layers=LAYERS, start_after="one"), server_url)
    found = {(each.rule, each.revision): each for each in proof.findings if each.rule in ("C18", "C22", "C23", "D12")}
    assert set(found) == {("C18", "two"), ("C22", "three"), ("D12", "four"), ("C23", "five")}
    assert "and 1 more" in found["C18", "two"].measured
    validated = [each.remedy.splitlines()[1] for each in proof.findings if each.rule == "D12"]
    assert validated == [
        f"op.execute('''ALTER {of} VALIDATE CONSTRAINT {name}''')"
        for of, name in (('TABLE public."To.nes"', '"a.b"'), ("DOMAIN tone", "calm"))
    ]


def test_a_value_that_the_database_makes_is_not_written_by_insert():
    columns = [
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, server_default=sa.func.now()),
        sa.Column("twice", sa.Integer, sa.Computed("n * 2")),
        sa.Column("n", sa.Integer),
    ]
    (model,) = as_models([sa.Table("t", sa.MetaData(), *columns)])
    assert model.columns == (
        Column(name="id", written=False),
        Column(name="at", written=False, defaulted=True),
        Column(name="twice", written=False),
        Column(name="n", written=True),
    )


def test_a_type_that_the_driver_does_not_send_may_get_another_name():
    types = {
        "m": Type(name="mood", own="mood", base="mood", category="E"),
        "t": Type(name="text", own="text", base="text", category="S"),
    }
    sad = seeds.Table(oid="1", name="public.a", columns=(), parents=(), types=types)
    insert = "INSERT INTO public.a (m, t) VALUES ('sad'::mood, 'it''s ''::text'::text)"
    assert queries.as_sent("psycopg", sad, [insert]) == [insert]
    assert queries.as_sent("psycopg2", sad, [insert]) == [
        "INSERT INTO public.a (m, t) VALUES ('sad', 'it''s ''::text')"
    ]


def test_a_dropped_default_matters_only_to_a_release_that_leaves_the_column_out():
    held = Model(None, "jobs", (Column(name="kind", written=True), Column(name="size", written=False, defaulted=True)))
    left_out = {each for each in ("kind", "size", "new") if compatibility._is_left_out([held], "public.jobs", each)}
    assert left_out == {"size", "new"}
    assert not compatibility._is_left_out([held], "public.others", "kind")


def test_a_revision_of_many_statements_is_judged_in_linear_time():  # a pattern with two gaps took minutes
    left = queries.Refused(queries.Query(sql="", origin=""), 'column "kind" is NULL', queries.LEFT_NULL)
    long = "ALTER TABLE jobs ADD COLUMN kind text ; " * 400
    rules = [compatibility._rule(left, long + end) for end in ("", 'ALTER TABLE jobs ALTER "kind" DROP DEFAULT')]
    assert [rule.id for rule in rules] == ["C23", "C22"]


@pytest.mark.parametrize(("known", "revisions"), [(True, {}), (False, {"two": ADDS})])
def test_a_required_column_that_only_the_models_dropped_breaks_the_new_release(replayed, known, revisions):
    required = table("CREATE TABLE a (id int PRIMARY KEY, b text NOT NULL)")
    own = "sa.Table('a', metadata, sa.Column('id', sa.Integer, primary_key=True))"
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text))) if known else None
    found, _ = replayed(live, required, own, **revisions)
    assert [rule for rule, *_ in found] == ["C20"]


def test_the_remedy_for_a_column_that_only_the_models_dropped_passes(write_project, server_url):
    required = table("CREATE TABLE a (id int PRIMARY KEY, b text NOT NULL, c text)")
    own = "sa.Table('a', metadata, sa.Column('id', sa.Integer, primary_key=True))"
    config = write_project({"one": required, "two": ("one", "pass", "pass")}, models=own)
    two = config.parent / "migrations/versions/two.py"
    remedy = compatibility.rules.LEFT_OUT.format(table="a", column="b").partition("\n")[2]
    downgrade = "def downgrade():\n    op.alter_column('a', 'b', nullable=False)\n"
    two.write_text(f"from alembic import op\n\nrevision, down_revision = 'two', 'one'\n\n{remedy}\n\n{downgrade}")
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text), sa.Column("c", sa.Text)))
    proof = prove(question(config, layers=LAYERS, start_after="one", previous=live), server_url)
    found = {each.rule: each for each in proof.findings if each.rule[0] in "Cd"}
    assert {rule: bool(each.suppressed) for rule, each in found.items()} == {"drift": True, "drift-released": False}
    assert "c text (the models of v1 have it)" in found["drift-released"].measured
    assert found["drift-released"].remedy.startswith("Drop c in a revision of the release after")


def acting(body, when="INSERT OR UPDATE"):
    """A trigger on the table, with the body of its function."""
    function = f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    trigger = f"CREATE TRIGGER acting BEFORE {when} ON a FOR EACH ROW EXECUTE FUNCTION act()"
    return f'op.execute("{function}")\nop.execute("{trigger}")'


@pytest.mark.parametrize(
    ("upgrade", "found"),
    [
        (acting("IF NEW.b IS NULL THEN RETURN NULL; END IF; RETURN NEW;", "INSERT"), ["C24"]),
        (acting("RETURN NULL;", "UPDATE OR DELETE"), ["C24"]),
        ("op.execute('CREATE RULE nope AS ON INSERT TO a WHERE NEW.b IS NULL DO INSTEAD NOTHING')", ["C24"]),
        (acting("NEW.n := 0; RETURN NEW;", "INSERT"), ["C25"]),
        (acting("NEW.n := OLD.n + 1; RETURN NEW;", "UPDATE"), ["C25"]),
        ("op.execute('ALTER TABLE a ALTER n TYPE numeric(12)')", ["C25"]),
        # The harmless ones: a stamp, a value instead of NULL, a row that moves to another table of the same parent, an emptied table.
        (acting("NEW.at := now(); NEW.b := coalesce(NEW.b, 'none'); RETURN NEW;"), []),
        (
            "op.execute('CREATE TABLE a_part () INHERITS (a)')\n"
            + acting("INSERT INTO a_part VALUES (NEW.*); RETURN NULL;", "INSERT"),
            [],
        ),
        ("op.execute('DELETE FROM a')\n" + acting("RETURN coalesce(NEW, OLD);", "INSERT OR DELETE"), []),
    ],
)
def test_a_write_must_still_do_what_it_did(replayed, upgrade, found):
    written = table("CREATE TABLE a (id int PRIMARY KEY, b text, n numeric(12,2), at timestamptz)")
    columns = (sa.Column("b", sa.Text), sa.Column("n", sa.Numeric), sa.Column("at", sa.DateTime))
    outcome, _ = replayed(Previous(name="v1", models=models(*columns)), written, two=upgrade)
    assert sorted({rule for rule, *_ in outcome} - {"C19"}) == found


@pytest.mark.parametrize(
    ("upgrade", "found"),
    [("DELETE FROM parents", []), ("TRUNCATE parents CASCADE", []), ("ALTER TABLE a ALTER b SET NOT NULL", ["C06"])],
)
def test_an_insert_whose_parent_a_revision_deletes_says_nothing_about_the_schema(replayed, upgrade, found):
    referring = table(
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "CREATE TABLE a (id int PRIMARY KEY, b text, parent int NOT NULL REFERENCES parents ON DELETE CASCADE)",
    )
    filled = "op.execute('''UPDATE a SET b = '' WHERE b IS NULL''')\n"
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text), sa.Column("parent", sa.Integer)))
    outcome, _ = replayed(live, referring, two=f"{filled}op.execute('{upgrade}')")
    assert [rule for rule, *_ in outcome] == found


TYPES = {
    "at timestamp": ("at TYPE timestamptz", "datetime with a zone instead of datetime without a zone"),
    "back timestamptz": ("back TYPE timestamp", "datetime without a zone instead of datetime with a zone"),
    "total int": ("total TYPE numeric", "Decimal instead of int"),
    "key text": ("key TYPE uuid USING gen_random_uuid()", "UUID instead of str"),
    "doc text": ("doc TYPE jsonb USING '{}'", "dict instead of str"),
    "tag text": ("tag TYPE text[] USING ARRAY[tag]", "list of str instead of str"),
    "day date": ("day TYPE timestamp", "datetime without a zone instead of date"),
    "wide int": ("wide TYPE bigint", None),
    "price float8": ("price TYPE numeric", None),
    "name varchar(9)": ("name TYPE text", None),
    "page jsonb": ("name TYPE text; UPDATE a SET page = '[1]'", None),
}  # fmt: skip


@pytest.mark.parametrize("is_known", [True, False], ids=["models", "the schema before"])
def test_a_value_that_the_previous_release_reads_keeps_its_type(write_project, server_url, is_known):
    before = table(f"CREATE TABLE a (id int PRIMARY KEY, {', '.join(TYPES)})")
    names = [definition.split()[0] for definition in TYPES]
    live = Previous(name="v1", models=models(*(sa.Column(name, sa.Text) for name in names)) if is_known else ())
    alter = "op.execute('SET LOCAL timezone = \\'UTC\\'')\nop.execute({!r})".format
    history, down = {"one": before}, "one"
    for name, (change, _) in zip(names, TYPES.values(), strict=True):
        history[name] = (down, alter(f"ALTER TABLE a ALTER {change}"), KEPT)
        down = name
    asked = question(write_project(history), layers=LAYERS, start_after="one", previous=live)
    found = [each for each in prove(asked, server_url).findings if each.rule in ("C07", "C26")]
    wanted = {name: words for name, (_, words) in zip(names, TYPES.values(), strict=True) if words}
    assert {each.revision for each in found} == wanted.keys()
    assert {(each.line, each.level is Level.ERROR) for each in found} == {(11, is_known)}
    read = [each for each in found if each.rule == "C26"]  # the others it cannot write either
    assert {"at", "back", "day", "total"} <= {each.revision for each in read}
    assert all(each.measured.startswith(f"the previous release reads {wanted[each.revision]}") for each in read)
