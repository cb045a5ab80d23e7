"""Rules T: revisions that are not one transaction, or cannot be run again after an interruption."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import (
    ADD_COLUMN,
    ADD_TO_BOTH,
    CONCURRENT_INDEX,
    INDEXED_NOTES,
    NOT_RERUNNABLE,
    NOTES_AND_AUTHORS,
    NOTHING,
    Given,
    Rule,
)
from slipway.records.proof import Level

_error: Final = partial(Rule, level=Level.ERROR, implies=NOTHING)
_warning: Final = partial(Rule, level=Level.WARNING, implies=NOTHING)
_not_rerunnable: Final = partial(Rule, level=Level.ERROR, implies=NOT_RERUNNABLE)

CONCURRENTLY_INSIDE: Final = _error(
    id="T01",
    name="CONCURRENTLY in a transaction",
    message="Postgres refuses the statement in a transaction, and alembic runs every revision in one.",
    code="""\
with op.get_context().autocommit_block():
    {statement}  # alone in its revision""",
    related=("L01", "T02", "T06"),
    bad="""op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)""",
    good=CONCURRENT_INDEX,
)
MIXED: Final = _warning(
    id="T02",
    name="autocommit block beside other changes",
    message="Part of the revision is committed before the rest runs; an interruption in between leaves half of it.",
    advice="Move the autocommit block into a revision of its own.",
    related=("T03", "T05"),
    bad="""\
op.add_column("notes", sa.Column("read", sa.Boolean()))
with op.get_context().autocommit_block():
    op.create_index("notes_read", "notes", ["read"], postgresql_concurrently=True)""",
    good="""\
op.add_column("notes", sa.Column("read", sa.Boolean()))
# in the next revision:
with op.get_context().autocommit_block():
    op.drop_index("notes_read", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("notes_read", "notes", ["read"], postgresql_concurrently=True)""",
)
NOT_AGAIN: Final = _not_rerunnable(
    id="T03",
    name="cannot be resumed after an interruption",
    message="The revision commits midway; after an interruption it cannot be run again, and the database is stuck between two revisions.",
    code="""\
with op.get_context().autocommit_block():  # alone in its revision; first remove what an interrupted attempt may have left
    op.drop_index("…", "…", postgresql_concurrently=True, if_exists=True)
    op.create_index("…", "…", […], postgresql_concurrently=True)""",
    related=("D07", "T02", "T04", "T11"),
    bad="""\
with op.get_context().autocommit_block():
    op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)""",
    good=CONCURRENT_INDEX,
)
REPEATABLE: Final = """\
with op.get_context().autocommit_block():  # alone in its revision
    op.execute('''{sql}''')"""
BLOCK_APART: Final = "Move the autocommit block into a revision of its own: the statements before it are committed when it begins, and run again after an interruption."
IN_TRANSACTION: Final = (
    "Move the statement out of the autocommit block: in alembic's transaction an interruption leaves nothing of it."
)
OUT_OF_TEMPLATE: Final = (
    "Write upgrade() without the autocommit block, and remove it from {template}, which puts it around every revision: "
    "in alembic's transaction an interruption leaves nothing."
)
SKIPPING_WHAT_IS_DONE: Final = "Let the statement pass over what an interrupted attempt has done, as IF EXISTS and IF NOT EXISTS do, and keep it alone in its revision."
ROWS_AGAIN: Final = "The revision commits midway; run again after an interruption, it leaves other rows."
NEW_ROWS_ONLY: Final = "Write only the rows that are not there yet, by ON CONFLICT DO NOTHING or WHERE NOT EXISTS; or write them in a revision of their own, in its transaction."
INVALID: Final = _not_rerunnable(
    id="T04",
    name="invalid index kept after an interruption",
    message="Run again after an interrupted index build, the revision keeps the invalid index: no query uses it, every write maintains it.",
    code="""\
with op.get_context().autocommit_block():
    op.drop_index("…", "…", postgresql_concurrently=True, if_exists=True)  # IF NOT EXISTS would keep an invalid one
    op.create_index("…", "…", […], postgresql_concurrently=True)""",
    related=("L01", "T03"),
    bad="""\
with op.get_context().autocommit_block():
    op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True, if_not_exists=True)""",
    good=CONCURRENT_INDEX,
)
ENDED: Final = _not_rerunnable(
    id="T05",
    name="transaction ended by the revision",
    message="The revision ends alembic's transaction; later statements, and the version number, are not rolled back when one fails.",
    code="""\
with op.get_context().autocommit_block():
    …  # the statement that must run outside the transaction, alone in its revision""",
    related=("T02", "T03"),
    bad="""\
op.execute("COMMIT")
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
    good=ADD_COLUMN,
)
BEGUN_BY_ENV: Final = _error(
    id="T06",
    name="autocommit block in env.py's transaction",
    message="env.py has begun a transaction itself, and alembic cannot leave it for an autocommit block.",
    code="""\
# in env.py: a statement before context.configure() begins a transaction; end it
connection.commit()
context.configure(connection=connection, …, transaction_per_migration=True)""",
    related=("T01", "T07"),
    given=Given(bad_env="""connection.execute(sa.text("SELECT 1"))"""),
    bad="""\
with op.get_context().autocommit_block():
    op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)""",
    good=f"""\
{CONCURRENT_INDEX}
# in downgrade():
op.drop_index("notes_title", "notes")""",
)
TOGETHER: Final = _warning(
    id="T07",
    name="all revisions in one transaction",
    message="env.py runs all revisions in one transaction, so the locks of the first are held until the last is done.",
    code="""\
context.configure(…, transaction_per_migration=True)
# a statement before this call begins a transaction that alembic does not end; if there is one, put after it:
connection.commit()""",
    related=("Q04", "T06"),
    before=NOTES_AND_AUTHORS,
    given=Given(bad_options="transaction_per_migration=False", good_options="transaction_per_migration=True"),
    bad=ADD_TO_BOTH,
    good=ADD_TO_BOTH,
)
NEW_ENUM_VALUE: Final = _error(
    id="T08",
    name="enum value used too early",
    message="A new enum value can be used only after the transaction that added it has been committed.",
    code="""\
with op.get_context().autocommit_block():
    op.execute("ALTER TYPE … ADD VALUE IF NOT EXISTS …")
# use the value in the next revision""",
    related=("C10",),
    before="""\
op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("mood", postgresql.ENUM(name="mood", create_type=False)),
)""",
    bad="""\
op.execute("ALTER TYPE mood ADD VALUE 'ugly'")
op.alter_column("notes", "mood", server_default="ugly")""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ugly'")
# in the next revision:
op.alter_column("notes", "mood", server_default="ugly")""",
)
LEAKING: Final = _warning(
    id="T09",
    name="setting that outlives its revision",
    message="The setting stays in force for the session, and so for every later revision.",
    code='op.execute("SET LOCAL …")  # ends with the transaction',
    related=("Q11",),
    bad="""\
op.execute("SET statement_timeout = 0")
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
    good="""\
op.execute("SET LOCAL statement_timeout = 0")
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
)
REPEATED: Final = Rule(
    id="T10",
    name="several ALTER TABLE that each scan the table",
    level=Level.NOTE,
    message="Several ALTER TABLE statements each scan or rewrite the table; one statement would do it once for all of them.",
    implies=NOTHING,
    code="op.execute('ALTER TABLE {table} …, …')  # the actions of these statements, separated by commas",
    related=("L07", "L11"),
    bad="""\
op.create_check_constraint("notes_title_there", "notes", "title IS NOT NULL", postgresql_not_valid=True)
op.create_check_constraint("notes_stars_there", "notes", "stars IS NOT NULL", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title_there")
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_stars_there")""",
    good="""\
op.create_check_constraint("notes_title_there", "notes", "title IS NOT NULL", postgresql_not_valid=True)
op.create_check_constraint("notes_stars_there", "notes", "stars IS NOT NULL", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title_there, VALIDATE CONSTRAINT notes_stars_there")""",
)
TWO_RUNNERS: Final = _warning(
    id="T11",
    name="two runners at once",
    message="The revision commits midway, and two runners that execute it at once leave a different schema than one.",
    code="""\
# the statement that cannot run in a transaction, alone in its revision:
with op.get_context().autocommit_block():
    op.create_index("…_new", "…", […], postgresql_concurrently=True, if_not_exists=True)
# in the next revision, the swap of old and new in one transaction, which alembic lets only one runner commit""",
    related=("T03",),
    before=INDEXED_NOTES,
    bad="""\
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_title_new ON notes (lower(title))")
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS notes_title")
    op.execute("ALTER INDEX IF EXISTS notes_title_new RENAME TO notes_title")""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS notes_title_new")
    op.execute("CREATE INDEX CONCURRENTLY notes_title_new ON notes (lower(title))")
# in the next revision:
op.execute("SET LOCAL lock_timeout = '2s'")
op.drop_index("notes_title")
op.execute("ALTER INDEX notes_title_new RENAME TO notes_title")""",
)
FAILS_TOGETHER: Final = _error(
    id="T12",
    name="fails in env.py's transactions",
    message="The upgrade succeeds in a transaction of its own, and fails when env.py runs all new revisions as in production.",
    code="context.configure(…, transaction_per_migration=True)  # in env.py",
    related=("T06", "T07", "T08"),
    before="""\
op.execute("CREATE TABLE authors (id bigint PRIMARY KEY)")
op.execute("CREATE TABLE notes (id bigint, author bigint REFERENCES authors INITIALLY DEFERRED)")""",
    given=Given(bad_options="transaction_per_migration=False", good_options="transaction_per_migration=True"),
    bad="""\
op.execute("INSERT INTO authors VALUES (700)")
op.execute("INSERT INTO notes VALUES (700, 700)")  # checked when the transaction ends
# in the next revision:
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
    good="""\
op.execute("INSERT INTO authors VALUES (700)")
op.execute("INSERT INTO notes VALUES (700, 700)")
# in the next revision:
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
)
NOT_COMMITTED: Final = _error(
    id="T13",
    name="upgrade that env.py does not commit",
    message="env.py ends without an error and without a commit: production stays as it was, and the release starts on the old schema.",
    code="""\
# in env.py: an earlier statement has begun a transaction, which alembic leaves open; end it first
connection.commit()
context.configure(connection=connection, …)
with context.begin_transaction():
    context.run_migrations()""",
    related=("T06", "T07"),
    given=Given(bad_env="""connection.execute(sa.text("SELECT 1"))"""),
    bad=ADD_COLUMN,
    good=ADD_COLUMN,
)
BREAKS_FROM_EMPTY: Final = _error(
    id="T14",
    name="fails on an empty database",
    message="A released database is upgraded, an empty one is not: CI, a new developer and a preview environment run the released revisions and this one in one run of env.py.",
    code="context.configure(…, transaction_per_migration=True)  # in env.py",
    related=("T06", "T08", "T09", "T12", "U01"),
    before="""\
op.execute("CREATE TABLE authors (id bigint PRIMARY KEY)")
op.execute("CREATE TABLE notes (id bigint, author bigint REFERENCES authors INITIALLY DEFERRED)")
op.execute("INSERT INTO authors VALUES (700)")
op.execute("INSERT INTO notes VALUES (700, 700)")  # checked when the transaction ends""",
    given=Given(bad_options="transaction_per_migration=False", good_options="transaction_per_migration=True"),
    bad=ADD_COLUMN,
    good=ADD_COLUMN,
)
FOR_LATER_SESSIONS: Final = _warning(
    id="T15",
    name="setting of later sessions",
    message="The setting holds for every later session of a role, a database or the server, those of the releases too; the gate tests none of them with it.",
    code='op.execute("SET LOCAL …")  # in this revision only; a setting of the service belongs into the options of its connections',
    related=("T09",),
    bad="""op.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''9s''', current_database()); END $$")""",
    good="""op.execute("SET LOCAL lock_timeout = '9s'")""",
)
RESET_FIRST: Final = """\
# at the beginning of upgrade(), because a released revision leaves the session otherwise:
{statements}"""
AFTER_ANOTHER: Final = """\
depends_on = "{revision}"  # in this revision's file: otherwise alembic may run it before"""
WITHOUT_WHAT_IS_LEFT: Final = (
    "Write the revision so that it does not depend on what {culprit} leaves in the session or the process: let it make "
    "or undo that state itself, and try it with alembic upgrade head on an empty database."
)
BROKEN_FROM_EMPTY: Final = "The released revisions alone fail in one run of env.py on an empty database, so the new ones were not tested there."
MEND_FROM_EMPTY: Final = (
    "New environments cannot be made by alembic upgrade head: correct env.py, or the revision, when it suits you."
)
