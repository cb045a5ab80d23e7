"""Rules L and Q05: statements that work through rows under a lock, with a safe form of each."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import (
    BATCHED,
    BLOCKING,
    CONCURRENT_INDEX,
    EVENTS,
    INDEXED_NOTES,
    NOTES,
    NOTES_AND_AUTHORS,
    Rule,
    in_batches,
)
from slipway.records.proof import Implication, Level

_error: Final = partial(Rule, level=Level.ERROR, implies=BLOCKING)

# Create the constraint or index on the partitions with rows first. Postgres attaches them when the partitioned table
# gets its own, on every level.
_PARTITIONS: Final = """\
op.get_bind().execute(sa.text('''SELECT relid::regclass::text FROM pg_partition_tree(to_regclass('{sql_table}')) WHERE isleaf ORDER BY relid''')).scalars().all()"""
INDEX: Final = _error(
    id="L01",
    name="index built without CONCURRENTLY",
    message="Building the index blocks every write to the table until the last row is indexed.",
    code="""\
with op.get_context().autocommit_block():
    op.drop_index("{index}", "{table}", postgresql_concurrently=True, if_exists=True{schema})  # left by an interrupted attempt
    op.create_index("{index}", "{table}", [{columns}]{unique}, postgresql_concurrently=True{schema})""",
    related=("L24", "T01", "T04"),
    bad="""op.create_index("notes_title", "notes", ["title"])""",
    good=CONCURRENT_INDEX,
)
INDEX_OF_ANY_KIND: Final = """\
with op.get_context().autocommit_block():
    op.drop_index("{index}", postgresql_concurrently=True, if_exists=True{schema})  # left by an interrupted attempt
    op.execute('''CREATE {sql_unique}INDEX CONCURRENTLY {sql_index} ON {sql_table} {definition};''')"""
REINDEX: Final = _error(
    id="L03",
    name="REINDEX without CONCURRENTLY",
    message="REINDEX blocks every query that would plan with the index until the last row is indexed.",
    code="""\
with op.get_context().autocommit_block():
    op.drop_index("{name}_ccnew", postgresql_concurrently=True, if_exists=True)  # left by an interrupted attempt
    op.execute('REINDEX {what} CONCURRENTLY {sql_name}')""",
    related=("L01",),
    before=INDEXED_NOTES,
    bad="""op.execute("REINDEX INDEX notes_title")""",
    good="""\
with op.get_context().autocommit_block():
    # left by an interrupted attempt:
    op.drop_index("notes_title_ccnew", postgresql_concurrently=True, if_exists=True)
    op.execute("REINDEX INDEX CONCURRENTLY notes_title")""",
)
UNIQUE: Final = _error(
    id="L04",
    name="unique constraint added in one step",
    message="Adding the unique constraint builds its index while reads and writes of the table are blocked.",
    code="""\
with op.get_context().autocommit_block():
    op.drop_index("{name}", "{table}", postgresql_concurrently=True, if_exists=True{schema})  # left by an interrupted attempt
    op.create_index("{name}", "{table}", [{columns}], unique=True, postgresql_concurrently=True{options}{schema})
# in downgrade():
op.drop_index("{name}", "{table}"{schema})
# in the next revision:
op.execute('ALTER TABLE {sql_table} ADD CONSTRAINT {sql_name} UNIQUE USING INDEX {sql_name}{deferrable}')
# in downgrade():
op.drop_constraint("{name}", "{table}"{schema})
op.create_index("{name}", "{table}", [{columns}], unique=True{options}{schema})""",
    related=("L01", "L05"),
    bad="""op.create_unique_constraint("notes_title", "notes", ["title"])""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("DELETE FROM notes a USING notes b WHERE a.title = b.title AND a.id > b.id")  # duplicates
    op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("notes_title", "notes", ["title"], unique=True, postgresql_concurrently=True)
# in the next revision:
op.execute("ALTER TABLE notes ADD CONSTRAINT notes_title UNIQUE USING INDEX notes_title")""",
)
_KEY_OF_PARTITIONED: Final = f"""\
# USING INDEX is not possible on a partitioned table, but on each partition:
with op.get_context().autocommit_block():
    for number, partition in enumerate({_PARTITIONS}):
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{{name}}_{{{{number}}}}"')
        op.execute(f'CREATE UNIQUE INDEX CONCURRENTLY "{{name}}_{{{{number}}}}" ON {{{{partition}}}} ({{sql_columns}})')
# in the next revision:
for number, partition in enumerate({_PARTITIONS}):
    op.execute(f'ALTER TABLE {{{{partition}}}} ADD CONSTRAINT "{{name}}_{{{{number}}}}" KIND USING INDEX "{{name}}_{{{{number}}}}"')
op.execute('ALTER TABLE {{sql_table}} ADD CONSTRAINT {{sql_name}} KIND ({{sql_columns}})')  # takes over those of the partitions"""
UNIQUE_OF_PARTITIONED: Final = _KEY_OF_PARTITIONED.replace("KIND", "UNIQUE")
PRIMARY_KEY_OF_PARTITIONED: Final = f"""\
# first make the columns NOT NULL as in L10
{_KEY_OF_PARTITIONED.replace("KIND", "PRIMARY KEY")}"""
PRIMARY_KEY: Final = _error(
    id="L05",
    name="primary key added in one step",
    message="Adding the primary key scans the table and builds its index while reads and writes are blocked.",
    code="""\
# first make the columns NOT NULL as in L10; then, in a revision of its own:
with op.get_context().autocommit_block():
    op.drop_index("{name}", "{table}", postgresql_concurrently=True, if_exists=True{schema})  # left by an interrupted attempt
    op.create_index("{name}", "{table}", [{columns}], unique=True, postgresql_concurrently=True{schema})
# in downgrade():
op.drop_index("{name}", "{table}"{schema})
# in the next revision:
op.execute('ALTER TABLE {sql_table} ADD CONSTRAINT {sql_name} PRIMARY KEY USING INDEX {sql_name}')
# in downgrade():
op.drop_constraint("{name}", "{table}"{schema})
op.create_index("{name}", "{table}", [{columns}], unique=True{schema})""",
    related=("L04", "L10"),
    before="""op.create_table("notes", sa.Column("id", sa.BigInteger(), nullable=False), sa.Column("title", sa.Text()))""",
    bad="""op.create_primary_key("notes_pkey", "notes", ["id"])""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("DELETE FROM notes a USING notes b WHERE a.id = b.id AND a.ctid > b.ctid")  # duplicates
    op.drop_index("notes_pkey", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("notes_pkey", "notes", ["id"], unique=True, postgresql_concurrently=True)
# in the next revision:
op.execute("ALTER TABLE notes ADD CONSTRAINT notes_pkey PRIMARY KEY USING INDEX notes_pkey")""",
)
EXCLUSION: Final = _error(
    id="L06",
    name="exclusion constraint added to a table with rows",
    message="Adding an exclusion constraint compares all rows with each other while reads and writes are blocked.",
    advice="Create a new table with the constraint, copy the rows in batches and swap the names, or add it in a maintenance window: Postgres cannot add an exclusion constraint concurrently.",
    related=("L04",),
    before="""\
op.create_table(
    "bookings",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
)""",
    bad="""op.create_exclude_constraint("bookings_overlap", "bookings", ("during", "&&"), using="gist")""",
    good="""\
op.create_table(
    "bookings_next",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
    postgresql.ExcludeConstraint(("during", "&&"), name="bookings_overlap", using="gist"),
)""",
)
CHECK: Final = _error(
    id="L07",
    name="check constraint added in one step",
    message="Adding a valid check constraint scans the whole table while reads and writes are blocked.",
    code="""\
op.create_check_constraint(op.f("{name}"), "{table}", …, postgresql_not_valid=True{schema})
# in the next revision, which takes only SHARE UPDATE EXCLUSIVE:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
    related=("L08", "L09", "L17"),
    bad="""op.create_check_constraint("notes_stars", "notes", "stars >= 0")""",
    good="""\
op.create_check_constraint("notes_stars", "notes", "stars >= 0", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_stars")""",
)
FOREIGN_KEY: Final = _error(
    id="L08",
    name="foreign key added in one step",
    message="Adding a valid foreign key scans both tables while writes to either are blocked.",
    code="""\
op.create_foreign_key("{name}", "{table}", …, postgresql_not_valid=True{source_schema})
# in the next revision, which takes only SHARE UPDATE EXCLUSIVE:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
    related=("L07", "L09", "S01"),
    before=NOTES_AND_AUTHORS,
    bad="""op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"])""",
    good="""\
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_author")""",
)
CONSTRAINT_AS_WRITTEN: Final = """\
op.execute('''ALTER TABLE {sql_table} ADD CONSTRAINT {sql_name} {definition} NOT VALID''')
# in the next revision, which takes only SHARE UPDATE EXCLUSIVE:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')"""
FOREIGN_KEY_OF_PARTITIONED: Final = f"""\
# PostgreSQL 18 takes postgresql_not_valid=True here as well; before it only each partition does:
for partition in {_PARTITIONS}:
    op.execute(f'ALTER TABLE {{{{partition}}}} ADD CONSTRAINT {{sql_name}} {{f_definition}} NOT VALID')
# in the next revision, which takes only SHARE UPDATE EXCLUSIVE:
for partition in {_PARTITIONS}:
    op.execute(f'ALTER TABLE {{{{partition}}}} VALIDATE CONSTRAINT {{sql_name}}')
# in the one after it, which takes over the constraints of the partitions and scans nothing:
op.execute('ALTER TABLE {{sql_table}} ADD CONSTRAINT {{sql_name}} {{definition}}')"""
VALIDATE: Final = _error(
    id="L09",
    name="VALIDATE under an earlier lock",
    message="VALIDATE CONSTRAINT scans the table while an earlier lock of the same transaction still blocks other sessions.",
    code="""\
# in a revision of its own, which takes only SHARE UPDATE EXCLUSIVE:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
    related=("L07", "L08", "Q05"),
    before=NOTES_AND_AUTHORS,
    bad="""\
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_author")""",
    good="""\
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_author")""",
)
_FILLED: Final = BATCHED.format(
    begin="UPDATE {sql_table} SET {sql_column} = VALUE", table="{sql_table}", condition="{sql_column} IS NULL"
)
_CHECKED: Final = """\
op.create_check_constraint(op.f("{column}_not_null"), "{table}", '{sql_column} IS NOT NULL', postgresql_not_valid=True{schema})
# in downgrade():
op.drop_constraint(op.f("{column}_not_null"), "{table}"{schema})"""
_REQUIRED: Final = """\
# in the next revision, so that SET NOT NULL trusts the valid check and scans nothing:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT "{column}_not_null"')
# in the one after it:
op.alter_column("{table}", "{column}", nullable=False{schema})
op.drop_constraint(op.f("{column}_not_null"), "{table}"{schema})
# in downgrade():
op.create_check_constraint(op.f("{column}_not_null"), "{table}", '{sql_column} IS NOT NULL'{schema})
op.alter_column("{table}", "{column}", nullable=True{schema})"""
NOT_NULL: Final = _error(
    id="L10",
    name="SET NOT NULL without a valid check",
    message="SET NOT NULL scans the whole table while reads and writes are blocked.",
    code=f"""\
# 1. Release code that writes no NULL there, and wait until it runs alone (C06).
# 2. In this revision, fill the rows that have NULL; leave this out when there are none:
{_FILLED.replace("VALUE", "…")}
# 3. In the next revision, add a check. Before step 2 it would refuse every change of a row with NULL:
{_CHECKED}
{_REQUIRED.replace("# in the next", "# 4. In the next").replace("# in the one", "# 5. In the one")}""",
    related=("C06", "D01", "L07"),
    bad="""op.alter_column("notes", "title", nullable=False)""",
    good=f"""\
{in_batches("UPDATE notes SET title = '' WHERE id IN (SELECT id FROM notes WHERE title IS NULL LIMIT 1000)")}
# in the next revision:
op.create_check_constraint("notes_title_not_null", "notes", "title IS NOT NULL", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title_not_null")
# in the next revision:
op.alter_column("notes", "title", nullable=False)  # trusts the check and scans nothing
op.drop_constraint("notes_title_not_null", "notes")""",
)
TYPE: Final = _error(
    id="L11",
    name="type change that rewrites the table",
    message="Changing the column's type rewrites the table while reads and writes are blocked.",
    code="""\
op.add_column("{table}", sa.Column("{column}_new", …){schema})
# write both columns in the next release; copy in batches in the next revision, each in its own transaction;
# when the old column is no longer read:
op.drop_column("{table}", "{column}"{schema})
op.alter_column("{table}", "{column}_new", new_column_name="{column}"{schema})""",
    related=("C07", "D05", "L13"),
    bad="""op.alter_column("notes", "stars", type_=sa.BigInteger())""",
    good=f"""\
op.add_column("notes", sa.Column("stars_new", sa.BigInteger()))  # the next release writes both
# in the next revision:
{in_batches("UPDATE notes SET stars_new = stars WHERE id IN (SELECT id FROM notes WHERE stars_new IS DISTINCT FROM stars LIMIT 1000)")}
# in the next revision:
op.drop_column("notes", "stars")  # when it is no longer read
op.alter_column("notes", "stars_new", new_column_name="stars")""",
)
NEW_LABELS: Final = """\
with op.get_context().autocommit_block():  # instead of a new type: it adds to the type and reads no row
{statements}"""
TYPE_INDEXES: Final = _error(
    id="L13",
    name="type change that rebuilds indexes",
    message="Changing the column's type scans the table or rebuilds its indexes while reads and writes are blocked.",
    code="""\
# drop the index before the change and build it again afterwards, both concurrently; drop a constraint that owns it instead
with op.get_context().autocommit_block():
    op.drop_index(…, "{table}", postgresql_concurrently=True{schema})
op.alter_column("{table}", "{column}", type_=…{schema})
with op.get_context().autocommit_block():
    op.create_index(…, "{table}", ["{column}"], postgresql_concurrently=True{schema})""",
    related=("L01", "L11"),
    before=f'op.execute("CREATE EXTENSION IF NOT EXISTS citext")\n{INDEXED_NOTES}',
    bad="""op.execute("ALTER TABLE notes ALTER COLUMN title TYPE citext")""",
    good="""\
with op.get_context().autocommit_block():
    op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
# in the next revision:
op.execute("ALTER TABLE notes ALTER COLUMN title TYPE citext")
# in the next revision:
with op.get_context().autocommit_block():
    op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)""",
)
VOLATILE: Final = _error(
    id="L14",
    name="column added with a volatile default",
    message="A default that differs from row to row rewrites the table while reads and writes are blocked.",
    code="""\
op.add_column("{table}", sa.Column("{column}", …){schema})  # without the default
op.alter_column("{table}", "{column}", server_default=…{schema})  # for new rows
# in the next revision: fill old rows in batches, each in its own transaction""",
    related=("L15", "L16"),
    bad="""op.add_column("notes", sa.Column("token", sa.Uuid(), server_default=sa.func.gen_random_uuid()))""",
    good=f"""\
op.add_column("notes", sa.Column("token", sa.Uuid()))
op.alter_column("notes", "token", server_default=sa.func.gen_random_uuid())  # for new rows
# in the next revision:
{in_batches("UPDATE notes SET token = DEFAULT WHERE id IN (SELECT id FROM notes WHERE token IS NULL LIMIT 1000)")}""",
)
VOLATILE_AS_WRITTEN: Final = f"""\
op.execute('''ALTER TABLE {{sql_table}} ADD COLUMN {{sql_column}} {{type}}''')
op.execute('''ALTER TABLE {{sql_table}} ALTER COLUMN {{sql_column}} SET DEFAULT {{definition}}''')  # for new rows
# in the next revision:
{_FILLED.replace("VALUE", "DEFAULT")}"""
VOLATILE_AND_REQUIRED: Final = f"""\
{VOLATILE_AS_WRITTEN}
# in the next revision:
{_CHECKED}
{_REQUIRED}"""
IDENTITY: Final = _error(
    id="L15",
    name="serial or identity column added",
    message="Adding a serial or identity column rewrites the table while reads and writes are blocked.",
    code="""\
op.add_column("{table}", sa.Column("{column}", sa.BigInteger()){schema})
op.execute('CREATE SEQUENCE {sequence}')
op.alter_column("{table}", "{column}", server_default=sa.text('''nextval('{sequence}')'''){schema})  # for new rows
# in downgrade():
op.drop_column("{table}", "{column}"{schema})
op.execute('DROP SEQUENCE {sequence}')
# in the next revision:
"""
    + _FILLED.replace("VALUE", "DEFAULT"),
    related=("L14", "S06"),
    bad="""op.add_column("notes", sa.Column("number", sa.BigInteger(), sa.Identity()))""",
    good=f"""\
op.execute("CREATE SEQUENCE notes_number_seq")
op.add_column("notes", sa.Column("number", sa.BigInteger()))
op.alter_column("notes", "number", server_default=sa.text("nextval('notes_number_seq')"))  # for new rows
# in the next revision:
{in_batches("UPDATE notes SET number = DEFAULT WHERE id IN (SELECT id FROM notes WHERE number IS NULL LIMIT 1000)")}""",
)
GENERATED: Final = _error(
    id="L16",
    name="stored generated column added",
    message="Adding a stored generated column rewrites the table while reads and writes are blocked.",
    code="""\
op.add_column("{table}", sa.Column("{column}", …){schema})  # plain; the application or a trigger writes it
# in the next revision: fill old rows in batches, each in its own transaction
# on PostgreSQL 18: sa.Computed(…, persisted=False) rewrites nothing""",
    related=("L14",),
    bad="""op.add_column("notes", sa.Column("shout", sa.Text(), sa.Computed("upper(title)", persisted=True)))""",
    good="""op.add_column("notes", sa.Column("shout", sa.Text()))  # the application, or a trigger, writes it""",
)
INLINE_CHECK: Final = _error(
    id="L17",
    name="column added with a check constraint",
    message="A check constraint on a new column scans the whole table while reads and writes are blocked.",
    code="""\
op.add_column("{table}", sa.Column("{column}", …){schema})
op.create_check_constraint(op.f("{table}_{column}_check"), "{table}", …, postgresql_not_valid=True{schema})
# in the next revision, which takes only SHARE UPDATE EXCLUSIVE:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT "{table}_{column}_check"')""",
    related=("L07", "L18"),
    bad="""op.execute("ALTER TABLE notes ADD COLUMN rank integer DEFAULT 0 CHECK (rank >= 0)")""",
    good="""\
op.add_column("notes", sa.Column("rank", sa.Integer(), server_default="0"))
op.create_check_constraint("notes_rank", "notes", "rank >= 0", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_rank")""",
)
CHECK_AS_WRITTEN: Final = """\
op.execute('''ALTER TABLE {sql_table} ADD COLUMN {sql_column} {type}''')
op.execute('''ALTER TABLE {sql_table} ADD CONSTRAINT "{table}_{column}_check" {definition} NOT VALID''')
# in the next revision, which takes only SHARE UPDATE EXCLUSIVE:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT "{table}_{column}_check"')"""
DOMAIN: Final = _error(
    id="L18",
    name="domain with a constraint",
    message="Postgres checks the domain's constraint on every row of the tables that use it while other sessions are blocked.",
    code="""\
op.add_column("{table}", sa.Column("{column}", …){schema})  # of the domain's base type
op.create_check_constraint(op.f("{table}_{column}_check"), "{table}", …, postgresql_not_valid=True{schema})
# a constraint on the domain itself: ALTER DOMAIN … ADD CONSTRAINT … NOT VALID, and VALIDATE in the next revision""",
    related=("L17",),
    before=f'{NOTES}\nop.execute("CREATE DOMAIN rank AS integer CHECK (VALUE >= 0)")',
    bad="""op.execute("ALTER TABLE notes ADD COLUMN rank rank")""",
    good="""\
op.add_column("notes", sa.Column("rank", sa.Integer()))
op.create_check_constraint("notes_rank", "notes", "rank >= 0", postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_rank")""",
)
LOGGED: Final = _error(
    id="L19",
    name="SET LOGGED or SET UNLOGGED",
    message="Changing between LOGGED and UNLOGGED rewrites the table while reads and writes are blocked.",
    advice="Create a new table with the persistence you want, copy the rows in batches, and swap the names.",
    related=("L11", "L20"),
    bad="""op.execute("ALTER TABLE notes SET UNLOGGED")""",
    good="""\
op.create_table(
    "drafts",  # rows that may be lost in a crash have a table of their own
    sa.Column("id", sa.BigInteger(), primary_key=True),
    prefixes=["UNLOGGED"],
)""",
)
COMPACTED: Final = _error(
    id="L20",
    name="VACUUM FULL or CLUSTER",
    message="The statement rewrites the whole table while reads and writes are blocked.",
    advice="Leave it out: autovacuum makes room for new rows. To shrink the file, use pg_repack, which does not block queries.",
    related=("L19",),
    bad="""\
with op.get_context().autocommit_block():
    op.execute("VACUUM FULL notes")""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("VACUUM notes")""",
)
REFRESHED: Final = _error(
    id="L21",
    name="REFRESH without CONCURRENTLY",
    message="REFRESH MATERIALIZED VIEW recomputes the view while reads of it are blocked.",
    code="""\
# needs a unique index on the view
with op.get_context().autocommit_block():
    op.execute('REFRESH MATERIALIZED VIEW CONCURRENTLY {sql_table}')""",
    related=("Q07",),
    before=f"""\
{NOTES}
op.execute("CREATE MATERIALIZED VIEW top AS SELECT id, stars FROM notes")
op.execute("CREATE UNIQUE INDEX top_id ON top (id)")""",
    bad="""op.execute("REFRESH MATERIALIZED VIEW top")""",
    good="""\
with op.get_context().autocommit_block():
    op.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY top")""",
)
PARTITION_BESIDE_DEFAULT: Final = """\
# the default partition is scanned for rows within the new bounds, unless a valid check excludes them
op.create_check_constraint(op.f("{partition}_excluded"), "…", "NOT (…)", postgresql_not_valid=True)  # of the default partition
# in the next revision:
op.execute('ALTER TABLE … VALIDATE CONSTRAINT "{partition}_excluded"')
# in the one after it, which then scans nothing:
op.execute('CREATE TABLE {sql_partition} PARTITION OF {sql_table} …')"""
ATTACHED: Final = _error(
    id="L22",
    name="partition attached without a valid check",
    message="ATTACH PARTITION scans all rows of the partition, and of the default partition, while they are locked.",
    code="""\
op.create_check_constraint(op.f("{partition}_bounds"), "{partition}", …, postgresql_not_valid=True)  # the partition's bounds
# in the next revision:
op.execute('ALTER TABLE {sql_partition} VALIDATE CONSTRAINT "{partition}_bounds"')
# in the one after it, which then scans nothing:
op.execute('ALTER TABLE {sql_table} ATTACH PARTITION {sql_partition} …')""",
    related=("L07", "L23"),
    before=f'{EVENTS}\nop.execute("CREATE TABLE events_2027 (id bigint NOT NULL, at date NOT NULL)")',
    bad="""op.execute("ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")""",
    good="""\
op.create_check_constraint(
    "events_2027_bounds", "events_2027", "at >= '2027-01-01' AND at < '2028-01-01'", postgresql_not_valid=True
)
# in the next revision:
op.execute("ALTER TABLE events_2027 VALIDATE CONSTRAINT events_2027_bounds")
# in the next revision:
op.execute("ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")""",
)
PARTITIONED_INDEX: Final = _error(
    id="L24",
    name="index built on a partitioned table",
    message="Building the index blocks writes to every partition until the last row is indexed.",
    code="""\
# CONCURRENTLY is possible on each partition only:
with op.get_context().autocommit_block():
    for number, partition in enumerate({partitions}):
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{index}_{{number}}"')  # left by an interrupted attempt
        op.execute(f'''CREATE {sql_unique}INDEX CONCURRENTLY "{index}_{{number}}" ON {{partition}} {f_definition};''')
# in the next revision, which takes over the indexes of the partitions and builds none:
op.execute('''CREATE {sql_unique}INDEX {sql_index} ON {sql_table} {definition};''')""".replace(
        "{partitions}", _PARTITIONS
    ),
    related=("L01",),
    before=EVENTS,
    bad="""op.create_index("events_id", "events", ["id"])""",
    good="""\
with op.get_context().autocommit_block():
    for year in (2025, 2026):
        op.drop_index(f"events_{year}_id", f"events_{year}", postgresql_concurrently=True, if_exists=True)
        op.create_index(f"events_{year}_id", f"events_{year}", ["id"], postgresql_concurrently=True)
# in the next revision:
op.create_index("events_id", "events", ["id"])  # takes over the indexes of the partitions and builds none""",
)
TRUNCATED: Final = Rule(
    id="L25",
    name="TRUNCATE",
    level=Level.WARNING,
    message="TRUNCATE blocks reads and writes, and the previous release finds the table empty.",
    implies=(Implication.BLOCKING, Implication.DESTRUCTIVE),
    advice="Delete the unwanted rows in batches, each in its own transaction.",
    related=("D10",),
    bad="""op.execute("TRUNCATE notes")""",
    good=in_batches("DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE title IS NULL LIMIT 1000)"),
)
UNEXPLAINED: Final = _error(
    id="L26",
    name="other work under a lock",
    message="The statement works through rows while other sessions are locked out of a table.",
    advice="Do the work on rows without this lock: in a new column or table beside the old one, filled in batches.",
    related=("Q05",),
    bad="""op.execute("DO $$ BEGIN EXECUTE 'ALTER ' || 'TABLE notes ALTER stars TYPE bigint'; END $$")""",
    good="""op.add_column("notes", sa.Column("stars_new", sa.BigInteger()))  # the next release writes both""",
)
EARLIER_LOCK: Final = _error(
    id="Q05",
    name="work under an earlier lock",
    message="The statement works through rows while an earlier lock of the same transaction still blocks other sessions.",
    advice="Put the statement into a revision of its own, after the one that takes the lock; both commit by themselves only with transaction_per_migration=True (T07).",
    related=("L09", "L26", "T02"),
    bad="""\
op.add_column("notes", sa.Column("shout", sa.Text()))
op.execute("UPDATE notes SET shout = upper(title)")""",
    good=f"""\
op.add_column("notes", sa.Column("shout", sa.Text()))
# in the next revision:
{in_batches("UPDATE notes SET shout = upper(title) WHERE id IN (SELECT id FROM notes WHERE shout IS DISTINCT FROM upper(title) LIMIT 1000)")}""",
)
