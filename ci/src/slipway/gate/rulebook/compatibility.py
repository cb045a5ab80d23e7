"""Rules C: changes that break the previous release, which still runs while the new one is deployed."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import ADD_COLUMN, INCOMPATIBLE, NOTES, NOTHING, Given, Rule
from slipway.records.proof import Level

_MODELS: Final = (
    'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'
)
_MOODS: Final = """\
op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
op.execute("CREATE TABLE notes (id bigint PRIMARY KEY, mood mood)")"""
_ADD_MOOD: Final = """\
with op.get_context().autocommit_block():
    op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine'")"""
_TOUCHED: Final = f"""\
{NOTES}
op.execute("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.stars := 1; RETURN NEW; END $$")
op.execute("CREATE TRIGGER touching BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch()")"""


def _moods(*labels: str) -> str:
    listed = ", ".join(f'"{label}"' for label in labels)
    return f"""\
sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("mood", sa.Enum({listed}, name="mood")),
)"""


_error: Final = partial(Rule, level=Level.ERROR, implies=INCOMPATIBLE, given=Given(previous=_MODELS))

COLUMN_DROPPED: Final = _error(
    id="C01",
    name="column dropped that the previous release uses",
    message="The previous release still names a dropped column.",
    advice="Release code that no longer names the column, and drop it in a revision of the release after. Until then the new release, whose models leave it out, must be able to insert rows: let the column accept NULL, or give it a default (C20).",
    related=("C03", "C20", "D03", "drift"),
    given=Given(
        previous=_MODELS,
        good_previous="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True))""",
    ),
    bad="""op.drop_column("notes", "title")""",
    good="""op.drop_column("notes", "title")""",
)
TABLE_DROPPED: Final = _error(
    id="C02",
    name="table dropped that the previous release uses",
    message="The previous release still names a dropped table.",
    advice="Release code that no longer names the table; drop it in a revision of the release after.",
    related=("C04", "D03"),
    given=Given(
        previous=_MODELS,
        good_previous="""sa.Table("others", metadata, sa.Column("id", sa.BigInteger, primary_key=True))""",
    ),
    bad="""op.drop_table("notes")""",
    good="""op.drop_table("notes")""",
)
COLUMN_RENAMED: Final = _error(
    id="C03",
    name="column renamed",
    message="The previous release still uses the column's old name.",
    code="""\
# instead of the rename; NULL is allowed, and this release writes both columns and reads {old}:
op.execute('''ALTER TABLE {table} ADD COLUMN {new} {type}''')
# in downgrade():
op.execute('''ALTER TABLE {table} DROP COLUMN {new}''')
# in a revision of the next release, which reads {new} and still writes both, once no running one leaves {new} empty:
with op.get_context().autocommit_block():
    batch = '''UPDATE {table} SET {new} = {old} WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {table} WHERE {new}::text IS DISTINCT FROM {old}::text LIMIT 1000)'''
    while op.get_bind().exec_driver_sql(batch).rowcount:
        pass
# in a revision of the release after, which names {new} only, once no running one uses {old}:
op.execute('''ALTER TABLE {table} DROP COLUMN {old}''')""",
    related=("C01", "C04"),
    bad="""op.alter_column("notes", "title", new_column_name="heading")""",
    good="""op.add_column("notes", sa.Column("heading", sa.Text()))  # this release writes both columns, and still reads title""",
)
TABLE_RENAMED: Final = _error(
    id="C04",
    name="table renamed",
    message="The previous release still uses the table's old name.",
    code="""\
op.execute('''ALTER TABLE {table} {action}''')
op.execute('''CREATE VIEW {table} AS SELECT * FROM {new}''')  # simple views accept writes; drop it in the release after
# in downgrade():
op.execute('''DROP VIEW {table}''')
op.execute('''ALTER TABLE {new} {back}''')""",
    related=("C02", "C03"),
    bad="""op.rename_table("notes", "entries")""",
    good="""\
op.rename_table("notes", "entries")
op.execute("CREATE VIEW notes AS SELECT * FROM entries")  # accepts writes; drop it in the release after""",
)
NEW_NOT_NULL: Final = _error(
    id="C05",
    name="new NOT NULL column without a default",
    message="The previous release does not write the new column, which is NOT NULL and has no default.",
    code="""\
# choose the value; drop the default in the release after. This line replaces the UPDATE and SET NOT NULL of the column,
# and their findings (D04, L10, Q05) go away with them. A revision that computes the values misses the rows that the previous release adds,
# which keep the default: then add the column without NOT NULL, and fill it and set NOT NULL in the release after
op.execute('''ALTER TABLE {table} ADD COLUMN {column} {type} NOT NULL DEFAULT {value};''')""",
    related=("C06", "C09", "D01"),
    bad="""\
op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default="plain"))
op.alter_column("notes", "kind", server_default=None)""",
    good="""op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default="plain"))""",
)
NOT_NULL: Final = _error(
    id="C06",
    name="column made NOT NULL",
    message="The previous release still writes NULL into the column, or leaves it out.",
    advice="Release code that always writes a value; set NOT NULL in a revision of the release after.",
    related=("C05", "L10"),
    bad="""\
op.execute("UPDATE notes SET title = '' WHERE title IS NULL")
op.alter_column("notes", "title", nullable=False)""",
    good="""op.create_check_constraint("title_not_empty", "notes", "title <> ''", postgresql_not_valid=True)""",
)
TYPE: Final = _error(
    id="C07",
    name="column type changed",
    message="A value that the previous release writes or compares does not fit the column's new type.",
    advice="Add a column of the new type, write both in one release, read the new one in the next, then drop the old one.",
    related=("C15", "D05", "L11"),
    bad="""op.execute("ALTER TABLE notes ALTER title TYPE integer USING length(title)")""",
    good="""op.add_column("notes", sa.Column("length", sa.Integer()))""",
)
CONSTRAINT: Final = _error(
    id="C08",
    name="new constraint that the previous release violates",
    message="The previous release writes rows that the new constraint forbids.",
    advice="Release code that respects the constraint first; add it in a revision of the release after.",
    related=("C14", "L07", "L08"),
    bad="""op.create_check_constraint("long_title", "notes", "length(title) > 10", postgresql_not_valid=True)""",
    good="""op.create_check_constraint("title_not_empty", "notes", "title <> ''", postgresql_not_valid=True)""",
)
DEFAULT_DROPPED: Final = _error(
    id="C09",
    name="default dropped",
    message="The previous release relies on the column's default, which is dropped.",
    advice="Release code that writes the column; drop the default in a revision of the release after.",
    related=("C05",),
    before="""\
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("kind", sa.Text(), nullable=False, server_default="plain"),
)""",
    given=Given(
        previous="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("kind", sa.Text, server_default="plain"))"""
    ),
    bad="""op.alter_column("notes", "kind", server_default=None)""",
    good="""op.alter_column("notes", "kind", server_default="note")""",
)
ENUM: Final = _error(
    id="C10",
    name="enum value removed",
    message="The previous release writes a value that the enum no longer has, or reads one that it does not know.",
    advice="Add the new value beside the old one, and release code that reads both and no longer writes the old one; rename or remove it in the release after.",
    related=("T08",),
    before="""\
op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
op.execute("CREATE TABLE notes (id bigint PRIMARY KEY, mood mood)")""",
    given=Given(
        previous="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), sa.Column("mood", sa.Text))"""
    ),
    bad="""op.execute("ALTER TYPE mood RENAME VALUE 'good' TO 'fine'")""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine'")  # the next release writes it""",
)
VIEW: Final = _error(
    id="C11",
    name="view or function changed",
    message="The previous release still uses the old form of the view or function.",
    advice="Create it under a new name; drop the old one in a revision of the release after.",
    related=("Q07",),
    before=f"""\
{NOTES}
op.execute(
    "CREATE FUNCTION title_of(bigint) RETURNS text LANGUAGE sql AS $$ SELECT title FROM notes WHERE id = $1 $$"
)""",
    given=Given(recorded=("SELECT title_of(1)",)),
    bad="""op.execute("DROP FUNCTION title_of(bigint)")""",
    good="""\
op.execute(
    "CREATE FUNCTION heading_of(bigint) RETURNS text LANGUAGE sql AS $$ SELECT title FROM notes WHERE id = $1 $$"
)""",
)
GENERATED: Final = _error(
    id="C12",
    name="column made GENERATED ALWAYS",
    message="The previous release writes a column that only Postgres may write now.",
    advice="Use GENERATED BY DEFAULT AS IDENTITY, or first release code that does not write the column.",
    related=("L15",),
    before="""op.execute("CREATE TABLE notes (id bigint PRIMARY KEY, title text)")""",
    given=Given(
        previous="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), sa.Column("title", sa.Text))"""
    ),
    bad="""op.execute("ALTER TABLE notes ALTER id ADD GENERATED ALWAYS AS IDENTITY")""",
    good="""op.execute("ALTER TABLE notes ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START WITH 1000000)")""",
)
NOT_ALLOWED: Final = _error(
    id="C13",
    name="permission revoked or policy added",
    message="The previous release no longer has a permission that it uses.",
    advice="Keep the grants that the previous release needs; revoke them in a revision of the release after.",
    related=("C17",),
    before=f'{NOTES}\nop.execute("GRANT SELECT ON notes TO pg_monitor")',
    given=Given(recorded=("SET LOCAL ROLE pg_monitor; SELECT * FROM notes",)),
    bad="""op.execute("REVOKE SELECT ON notes FROM pg_monitor")""",
    good="""op.execute("GRANT INSERT ON notes TO pg_monitor")""",
)
TRIGGER: Final = _error(
    id="C14",
    name="trigger that rejects rows",
    message="A trigger rejects rows that the previous release writes.",
    advice="Let the trigger accept the rows of the previous release; make it strict in a revision of the release after.",
    related=("C08", "Q06"),
    bad="""\
op.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
op.execute("CREATE TRIGGER refusing BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION refuse()")""",
    good="""\
op.execute(
    "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'old'; RETURN NEW; END $$"
)
op.execute("CREATE TRIGGER warning BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION warn()")""",
)
NO_EQUALITY: Final = _error(
    id="C15",
    name="column changed to json",
    message="The previous release compares or sorts values of the column, which the type json does not support.",
    advice="Use jsonb, which supports comparison.",
    related=("C07", "S03"),
    before="""op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("tags", postgresql.JSONB()))""",
    given=Given(recorded=("SELECT DISTINCT tags FROM notes",)),
    bad="""op.execute("ALTER TABLE notes ALTER tags TYPE json")""",
    good="""op.add_column("notes", sa.Column("labels", postgresql.JSONB()))""",
)
UNKNOWN: Final = Rule(
    id="C16",
    name="previous release runs alembic at start",
    level=Level.WARNING,
    message="The previous release runs alembic at start and does not know the new revision: after a restart or a rollback it does not start.",
    implies=INCOMPATIBLE,
    advice="Remove the migration from the start command or from what the application runs when it starts, and migrate once before the release: `slipway deploy` does, and with another tool a step before its deployment does, such as `alembic upgrade heads`. This finding goes away with the next release, because the one that runs now still migrates at its start.",
    related=("C17",),
    given=Given(previous=_MODELS, bad_start="sh -c 'alembic upgrade head && exec uvicorn app.main:app'"),
    bad=ADD_COLUMN,
    good=ADD_COLUMN,
)
OTHERWISE: Final = _error(
    id="C17",
    name="statement of the previous release fails",
    message="A statement of the previous release fails on the new schema.",
    advice="Change the schema so that both releases work with it; remove the old form in a revision of the release after.",
    related=("C14",),
    bad="""\
op.execute("CREATE SEQUENCE numbers MAXVALUE 3")
op.execute("SELECT setval('numbers', 3)")
op.execute(
    "CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('numbers'); RETURN NEW; END $$"
)
op.execute("CREATE TRIGGER numbered BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION number()")""",
    good="""op.execute("CREATE SEQUENCE numbers")""",
)
NEW_LABEL: Final = Rule(
    id="C18",
    name="enum value added that the previous release cannot read",
    level=Level.WARNING,
    message="The previous release fails when it reads a row into which the new one has written the new value.",
    implies=NOTHING,
    advice="Release code whose enum has the value, and write it only in the release after.",
    related=("C10",),
    before=_MOODS,
    given=Given(previous=_moods("good", "bad"), good_previous=_moods("good", "bad", "fine")),
    bad=_ADD_MOOD,
    good=_ADD_MOOD,
)
STALE: Final = Rule(
    id="C19",
    name="prepared statement's columns change",
    level=Level.WARNING,
    message="Sessions of the previous release that have prepared the statement fail once: `cached plan must not change result type`.",
    implies=NOTHING,
    advice="Restart the previous release's processes right after the upgrade, or let them retry on this error; or turn prepared statements off: prepare_threshold=None (psycopg), prepared_statement_cache_size=0 in the URL (SQLAlchemy with asyncpg).",
    related=("C07",),
    given=Given(previous=_MODELS),
    bad="""op.execute("ALTER TABLE notes ALTER title TYPE varchar")""",
    good="""op.add_column("notes", sa.Column("heading", sa.String()))""",
)
OWN: Final = _error(
    id="C20",
    name="statement of the new release fails",
    message="A statement of the new release fails on its own schema after the last revision.",
    implies=NOTHING,
    advice="Replace the trigger or function that still names what a revision dropped or renamed, in the same revision. If the models leave out a column that needs a value, keep it in them, or let it accept NULL, and drop it in the release after.",
    related=("C01", "C14", "C17"),
    before=_TOUCHED,
    given=Given(models=_MODELS),
    bad="""op.drop_column("notes", "stars")""",
    good="""\
op.execute("DROP TRIGGER touching ON notes")
op.drop_column("notes", "stars")""",
)
LEFT_OUT: Final = """\
# keep the column in the models, or add this revision, and drop the column in the release after:
# slipway: allow drift because the release after drops {column}
def upgrade():
    op.alter_column("{table}", "{column}", nullable=True)"""
NOT_REPLAYED: Final = _error(
    id="C21",
    name="previous release not replayed",
    message="Whether the previous release works on the new schema is unknown, and the settings require an answer.",
    implies=NOTHING,
    advice="Name its commit with --since (on Dagger the release with --previous), or repair what the finding names; or delete `previous` from [tool.slipway.migrations].",
    related=("C16",),
)
LEFT_NULL: Final = Rule(
    id="C22",
    name="default dropped from a column that stays empty",
    level=Level.WARNING,
    message="The previous release leaves the column to its default, which is dropped: until it is gone, its rows have NULL there.",
    implies=NOTHING,
    advice="Keep the default until the previous release is gone, and drop it in a revision of the release after.",
    related=("C05", "C09"),
    given=Given(previous=_MODELS),
    bad="""\
op.add_column("notes", sa.Column("kind", sa.Text(), server_default="plain"))
op.alter_column("notes", "kind", server_default=None)""",
    good="""op.add_column("notes", sa.Column("kind", sa.Text(), server_default="plain"))""",
)
COPIED_ONCE: Final = Rule(
    id="C23",
    name="column filled while the previous release leaves it NULL",
    level=Level.WARNING,
    message="The revisions fill a new column, and until the previous release is gone, its new rows have NULL there.",
    implies=NOTHING,
    advice="Add the column in this release, whose code writes it; fill it, and set NOT NULL if it shall be (C06), in revisions of the release after. If one value fits all rows, a server_default does both now (C05).",
    related=("C03", "C22"),
    given=Given(previous=_MODELS),
    bad="""\
op.add_column("notes", sa.Column("heading", sa.Text()))
op.execute("UPDATE notes SET heading = title")""",
    good="""op.add_column("notes", sa.Column("heading", sa.Text()))  # this release writes it; the next one fills it""",
)
_KEEPING: Final = """\
op.execute("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
op.execute("CREATE TRIGGER keeping BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION keep()")"""
WITHOUT_EFFECT: Final = _error(
    id="C24",
    name="write of the previous release that is dropped",
    message="A statement of the previous release reports no error, and no longer writes the rows that it wrote before.",
    advice="Let the trigger, rule or policy accept the rows of the previous release; make it strict in a revision of the release after.",
    related=("C14", "C25"),
    bad="""op.execute("CREATE RULE keep AS ON DELETE TO notes DO INSTEAD NOTHING")""",
    good=_KEEPING,
)
REPLACED: Final = Rule(
    id="C25",
    name="value of the previous release replaced",
    level=Level.WARNING,
    message="The database stores another value than the previous release writes, and reports no error.",
    implies=NOTHING,
    advice="Let the database keep what the previous release writes; replace values in a revision of the release after.",
    related=("C07", "C24"),
    given=Given(previous=_MODELS),
    bad="""\
op.execute(
    "CREATE FUNCTION blank() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := 'none'; RETURN NEW; END $$"
)
op.execute("CREATE TRIGGER blanking BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION blank()")""",
    good=_KEEPING,
)
READ_OTHERWISE: Final = _error(
    id="C26",
    name="value of another type read by the previous release",
    message="The previous release gets values of another Python type: code that compares, formats or serialises them fails, such as a comparison of times with and without a zone.",
    advice="Add a column of the new type, write both in one release, read the new one in the next, then drop the old one. If the live release works with both types already, allow this finding and say so.",
    related=("C07", "D13"),
    before="""op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("written", sa.DateTime()))""",
    given=Given(
        previous="sa.Table('notes', metadata, sa.Column('id', sa.BigInteger, primary_key=True), sa.Column('written', sa.DateTime))"
    ),
    bad="""\
op.execute("SET LOCAL timezone = 'UTC'")
op.alter_column("notes", "written", type_=sa.DateTime(timezone=True))""",
    good="""op.add_column("notes", sa.Column("written_at", sa.DateTime(timezone=True)))""",
)
