"""Rules D: changes that fail on rows, lose rows or write them again."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import DESTRUCTIVE, IRREVERSIBLE, NOTES, NOTES_AND_AUTHORS, NOTHING, Rule, in_batches
from slipway.records.proof import Level

_warning: Final = partial(Rule, level=Level.WARNING, implies=NOTHING)
_destructive: Final = partial(Rule, level=Level.WARNING, implies=DESTRUCTIVE)
# Each batch begins after the previous one, so the loop ends whatever the statement does and whichever rows meet its
# condition.
BY_KEY: Final = """\
with op.get_context().autocommit_block():  # each batch in its own transaction, by ranges of the key
    bind = op.get_bind()
    first = bind.scalar(sa.text('''SELECT {key} FROM {table} ORDER BY 1 LIMIT 1'''))
    while first is not None:
        batch = '''SELECT {key} FROM {table} WHERE {key} >= :first ORDER BY 1 LIMIT 1000'''
        last = bind.scalar(sa.text('''SELECT {key} FROM (%s) AS batch ORDER BY 1 DESC LIMIT 1''' % batch), {{"first": first}})
        bind.execute(sa.text('''{begin} WHERE {key} BETWEEN :first AND :last{condition}'''), {{"first": first, "last": last}})
        first = bind.scalar(sa.text('''SELECT {key} FROM {table} WHERE {key} > :last ORDER BY 1 LIMIT 1'''), {{"last": last}})"""
_SKIPPING_DONE: Final = BY_KEY.format(
    table="…", key="id", begin="UPDATE … SET …", condition=" AND … IS DISTINCT FROM …"
)

FAILS: Final = Rule(
    id="D01",
    name="upgrade fails on rows",
    level=Level.ERROR,
    message="The upgrade succeeds on empty tables and fails on tables with rows.",
    implies=NOTHING,
    advice="Give a new NOT NULL column a server default. For a constraint on existing columns, correct the rows first, in this revision or an earlier one: fill NULLs, remove duplicates.",
    related=("C05", "L10", "U01"),
    bad="""op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False))""",
    good="""op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default="plain"))""",
)
FAILS_BY_CODE: Final = {  # the advice by SQLSTATE
    "21000": "Let the subquery return one row, with LIMIT 1 or an aggregate: some rows have several matches.",
    "23502": "Fill the NULLs first, in batches in an earlier revision.",
    "23503": "First delete the rows that refer to nothing, or set their column to NULL; or add the foreign key with postgresql_not_valid=True, and validate it when the rows are corrected.",
    "23505": "Remove the duplicates first: find them with GROUP BY … HAVING count(*) > 1, keep one row of each, and let rows that refer to the others refer to it.",
    "23514": "Correct the rows that violate the check first; or add it with postgresql_not_valid=True, and validate it when the rows are corrected.",
    "23P01": "Remove the rows that exclude each other first: join the table with itself by the constraint's operators to find them.",
    "42501": "Row-level security rejects the rows that the revision writes: add a policy that admits them, as in D11.",
    "55006": "Put the statement into a revision of its own, or execute SET CONSTRAINTS ALL IMMEDIATE before it: rows changed earlier in this transaction have deferred checks.",
    **dict.fromkeys(
        ("22001", "22003", "22007", "22008", "22P02", "42804", "42846"),
        "Say in postgresql_using how each old value becomes a new one, or correct the values that the new type rejects first.",
    ),
}
FAILS_BY_NULL: Final = "Give the new column a server_default: existing rows get it, and those that the previous release adds (C05). If each row needs a value of its own, add the column without NOT NULL in this release, whose code writes it; fill it, and set NOT NULL, in the release after (C23, L10)."
HIDDEN: Final = Rule(
    id="D11",
    name="rows hidden by row-level security",
    level=Level.ERROR,
    message="Row-level security hides rows from production's role: the statement leaves them out, without an error.",
    implies=NOTHING,
    code="""\
# a setting that only the revision makes, so that the service sees no more than before:
op.execute('''CREATE POLICY migrations ON {table} USING (current_setting('app.migrating', true) = 'on')''')
# in the next revision, in the transaction of the statement:
op.execute("SET LOCAL app.migrating = 'on'")""",
    related=("D01", "D07", "U03"),
    before=f"""\
{NOTES}
op.execute("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
op.execute("ALTER TABLE notes FORCE ROW LEVEL SECURITY")
op.execute("CREATE POLICY own ON notes USING (title = current_setting('app.title', true))")""",
    bad="""op.execute("UPDATE notes SET stars = 0 WHERE stars > 5")""",
    good="""\
op.execute("CREATE POLICY migrations ON notes USING (current_setting('app.migrating', true) = 'on')")
# in the next revision:
op.execute("SET LOCAL app.migrating = 'on'")
op.execute("UPDATE notes SET stars = 0 WHERE stars > 5")""",
)
LOSES: Final = Rule(
    id="D02",
    name="downgrade loses rows",
    level=Level.ERROR,
    message="The downgrade loses or changes rows that the upgrade kept, or fails on them.",
    implies=IRREVERSIBLE,
    advice="Restore in downgrade() the values that upgrade() changed, or raise NotImplementedError to declare that there is no downgrade.",
    related=("D03", "D10", "R03"),
    bad="""\
op.execute("UPDATE notes SET title = 'none' WHERE title IS NOT NULL")
# in downgrade():
op.execute("SELECT 1")""",
    good="""\
op.add_column("notes", sa.Column("title_before", sa.Text()))
# in the next revision:
op.execute("UPDATE notes SET title_before = title, title = 'none'")
# in downgrade():
op.execute("UPDATE notes SET title = title_before")""",
)
DROPS: Final = _destructive(
    id="D03",
    name="table or column with rows dropped",
    message="The upgrade drops a table or column that holds data; no downgrade brings it back.",
    advice="Drop it in a release of its own, when it is no longer read and a backup is at hand.",
    related=("C01", "C02", "D10"),
    bad="""op.drop_column("notes", "stars")""",
    good="""op.alter_column("notes", "stars", comment="not read since release 12")""",
)
WHOLE_TABLE: Final = _warning(
    id="D04",
    name="whole table updated in one transaction",
    message="Every updated row stays locked until the transaction ends, and concurrent writers of these rows wait for it.",
    code=BY_KEY.format(table="…", key="id", begin="UPDATE … SET …", condition=" AND …"),
    related=("D07", "Q05"),
    bad="""op.execute("UPDATE notes SET stars = 0 WHERE stars IS NULL")""",
    good=in_batches("UPDATE notes SET stars = 0 WHERE id IN (SELECT id FROM notes WHERE stars IS NULL LIMIT 1000)"),
)
LOSSY: Final = _destructive(
    id="D05",
    name="lossy cast",
    message="The cast changes values that the new type cannot hold; the old values are lost.",
    code="""\
op.execute('''ALTER TABLE {table} ADD COLUMN "{column}_new" {type}''')  # beside the old column
# write both in the next release, compare them, and drop the old one when no value is missing""",
    related=("C07", "D03", "L11"),
    before="""op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("price", sa.Numeric(10, 2)))""",
    bad="""op.alter_column("notes", "price", type_=sa.Integer(), postgresql_using="price::integer")""",
    good="""op.add_column("notes", sa.Column("whole_price", sa.Integer()))""",
)
IMPOSSIBLE: Final = _warning(
    id="D14",
    name="statement that can match no row",
    message="The statement looks for NULL in a column that is NOT NULL, so it changes nothing: a backfill leaves every row as it is.",
    code=f"""\
# the rows to fill are those without the new value; nullable columns can be filled by IS NULL before they are NOT NULL
{_SKIPPING_DONE}""",
    related=("C05", "D04", "D07"),
    bad="""\
op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default=""))
# in the next revision:
op.execute("UPDATE notes SET kind = 'plain' WHERE kind IS NULL")""",
    good=f"""\
op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default=""))
# in the next revision:
{BY_KEY.format(table="notes", key="id", begin="UPDATE notes SET kind = 'plain'", condition=" AND (kind = '')")}""",
)
EQUALS_NULL: Final = "A comparison with NULL by = or <> is never true, so the statement finds no row: a backfill leaves every row as it is."
EQUALS_NULL_CODE: Final = "op.execute('''{sql}''')"
CONVERTED: Final = "The conversion makes other values of the old ones, and no downgrade shows that it can be undone."
MODELS: Final = _warning(
    id="D06",
    name="application models in a revision",
    message="The revision imports the application's models, which will have changed when it runs next year.",
    code="""\
notes = sa.table("notes", sa.column("id", sa.Integer), sa.column("title", sa.Text))  # the columns this revision needs
op.execute(sa.update(notes).values(title="…"))""",
    related=("U01",),
    bad="""\
from service_models import Note

op.execute(sa.update(Note).values(title="none"))""",
    good="""\
notes = sa.table("notes", sa.column("title", sa.Text))
op.execute(sa.update(notes).values(title="none"))""",
)
RESTARTS: Final = _warning(
    id="D07",
    name="backfill that starts over",
    message="After an interruption the backfill writes rows again that it had already written.",
    code=_SKIPPING_DONE,
    related=("D04", "T03"),
    bad="""\
op.add_column("notes", sa.Column("shout", sa.Text()))
# in the next revision:
with op.get_context().autocommit_block():
    op.execute("UPDATE notes SET shout = upper(title)")""",
    good=f"""\
op.add_column("notes", sa.Column("shout", sa.Text()))
# in the next revision:
{in_batches("UPDATE notes SET shout = upper(title) WHERE id IN (SELECT id FROM notes WHERE shout IS DISTINCT FROM upper(title) LIMIT 1000)")}""",
)
CASCADES: Final = _warning(
    id="D08",
    name="ON DELETE CASCADE added",
    message="Deleting a referenced row now deletes rows of this table too, which the previous release does not expect.",
    code="""op.create_foreign_key("…", "…", "…", […], […], ondelete="RESTRICT")  # the application deletes the rows itself""",
    related=("D10", "L08"),
    before=NOTES_AND_AUTHORS,
    bad="""\
op.create_foreign_key(
    "notes_author", "notes", "authors", ["author_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)""",
    good="""op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)""",
)
BEHIND: Final = _warning(
    id="D09",
    name="sequence behind its column",
    message="The sequence's next value exists in the column already; the application's next insert fails or makes a duplicate.",
    code="""op.execute('''SELECT setval('{sequence}', (SELECT max({column}) FROM {table}))''')""",
    related=("S06",),
    before="pass",
    bad="""\
levels = op.create_table("levels", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text()))
op.bulk_insert(levels, [{"id": 1, "name": "low"}, {"id": 2, "name": "high"}])""",
    good="""\
levels = op.create_table("levels", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text()))
op.bulk_insert(levels, [{"id": 1, "name": "low"}, {"id": 2, "name": "high"}])
op.execute("SELECT setval('levels_id_seq', (SELECT max(id) FROM levels))")""",
)
CHOSEN: Final = "The revision chooses values that the sequence may give out as well, or has already: a row may exist, and later inserts may fail."
CHOSEN_CODE: Final = """\
# leave {column} out, so that the sequence gives it; or, if the row is sure to be new, after the INSERT:
op.execute('''SELECT setval(pg_get_serial_sequence('{table}', '{name}'), (SELECT max({column}) FROM {table}))''')"""
TAKEN_OUT: Final = "The upgrade takes a partition out of its table: no release sees its rows there any more."
DELETES: Final = _destructive(
    id="D10",
    name="upgrade deletes rows",
    message="The upgrade deletes rows, or sets values to NULL; no downgrade brings them back.",
    advice="Keep them in a separate table for two releases, or let the application delete them.",
    related=("D03", "L25"),
    bad="""op.execute("DELETE FROM notes WHERE title IS NULL")""",
    good="""op.execute("CREATE TABLE notes_untitled AS SELECT * FROM notes WHERE title IS NULL")""",
)
UNCHECKED: Final = Rule(
    id="D12",
    name="constraint that no revision validates",
    level=Level.NOTE,
    message="The constraint does not hold for the rows that were there before it, until a later revision validates it.",
    implies=NOTHING,
    code="""\
# in the next revision:
op.execute('''ALTER {kind} {of} VALIDATE CONSTRAINT {name}''')""",
    related=("L07", "L08", "L09"),
    bad="""op.create_check_constraint("notes_title", "notes", "title <> ''", postgresql_not_valid=True)""",
    good="""\
op.create_check_constraint("notes_title", "notes", "title <> ''", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title")""",
)
ZONE: Final = _warning(
    id="D13",
    name="times converted in the session's time zone",
    message="The new values depend on the TimeZone of the session that runs the upgrade: elsewhere they differ by hours, and the table may be rewritten.",
    code="""\
op.execute("SET LOCAL timezone = 'UTC'")  # the zone of the times without one; only with UTC nothing is rewritten
op.alter_column("{table}", "{column}", type_=sa.{type}{schema})""",
    related=("C26", "D05", "L11"),
    before="""op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("written", sa.DateTime()))""",
    bad="""op.alter_column("notes", "written", type_=sa.DateTime(timezone=True))""",
    good="""\
op.execute("SET LOCAL timezone = 'UTC'")
op.alter_column("notes", "written", type_=sa.DateTime(timezone=True))""",
)
SWITCHED_OFF: Final = _warning(
    id="D15",
    name="trigger or row-level security switched off",
    message="The revision switches off a trigger, a rule or row-level security, and not on again: later writes go unchecked, or roles see rows that were hidden.",
    code="""\
op.execute("SET LOCAL session_replication_role = replica")  # no trigger fires in this transaction, and all of them after it
…  # the writes that need this""",
    related=("C13", "C24"),
    bad="""op.execute("ALTER TABLE notes DISABLE TRIGGER ALL")""",
    good="""\
op.execute("SET LOCAL session_replication_role = replica")
op.execute("UPDATE notes SET title = '' WHERE title = ' '")""",
)
ENDS_EARLIER: Final = _warning(
    id="D16",
    name="sequence that ends earlier",
    message="The sequence ends earlier than before: the upgrade fails where it has passed the new end, and inserts fail as soon as it gets there.",
    advice="Keep the type and the MAXVALUE of the sequence.",
    related=("D09",),
    before='op.execute("CREATE SEQUENCE numbers")',
    bad="""op.execute("ALTER SEQUENCE numbers AS integer")""",
    good="""op.execute("ALTER SEQUENCE numbers CACHE 10")""",
)
REPLACED: Final = _warning(
    id="D17",
    name="table replaced without its rows",
    message="Another table has the name now and not the rows: every query finds fewer rows until they are copied.",
    code="""\
op.execute("INSERT INTO … SELECT * FROM …")  # in the same revision, right after the new table exists""",
    related=("C04", "D03"),
    bad="""\
op.rename_table("notes", "entries")
op.execute("CREATE TABLE notes (LIKE entries INCLUDING ALL)")""",
    good="""\
op.execute("CREATE TABLE entries (LIKE notes INCLUDING ALL)")  # the releases write both until all rows are copied""",
)
