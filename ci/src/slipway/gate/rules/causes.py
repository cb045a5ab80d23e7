"""L: the statements known to work on rows under a lock, and the safe form of each.

That a statement blocks is measured, see `blocking`; what stands here only explains it. The first cause that matches is the one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from slipway.gate.names import is_table
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Level, Statement


@dataclass(frozen=True)
class Cause:
    """A rule and the statements it explains; groups of the pattern fill the remedy. `when` asks for more than the words."""

    rule: Rule
    pattern: re.Pattern[str]
    when: "Condition"

    def match(self, statement: Statement) -> re.Match[str] | None:
        found = self.pattern.search(statement.sql)
        return found if found and self.when(statement, found) else None


Condition = Callable[[Statement, re.Match[str]], bool]


def _always(_statement: Statement, _found: re.Match[str]) -> bool:
    return True


def _rewrites(statement: Statement, _found: re.Match[str]) -> bool:
    return bool(statement.rewrites)


def _keeps_its_file(statement: Statement, _found: re.Match[str]) -> bool:
    return not statement.rewrites


def _indexes_partitions(statement: Statement, found: re.Match[str]) -> bool:
    """The table that is named has no rows of its own to index, others have: it is partitioned."""
    named = any(is_table(table, found["table"]) for table in statement.builds)
    return bool(statement.builds) and not named


def _cause(rule: Rule, pattern: str, when: Condition = _always) -> Cause:
    return Cause(rule, re.compile(pattern, re.IGNORECASE), when)


_ALTER = r'ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(?P<table>[\w."]+) '
_ADD_COLUMN = (
    _ALTER
    + r'ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!(?:CONSTRAINT|UNIQUE|PRIMARY|CHECK|FOREIGN|EXCLUDE)\b)(?P<column>[\w"]+) '
)

_INDEX_REMEDY = """\
with op.get_context().autocommit_block():
    op.drop_index("{index}", "{table}", postgresql_concurrently=True, if_exists=True{schema})  # what an interrupted attempt left
    op.create_index("{index}", "{table}", [{columns}]{unique}, postgresql_concurrently=True{schema})"""

INDEX = Rule.error(
    "L01", "index", "Building an index stops every write to the table until the last row is indexed.", _INDEX_REMEDY
)
REINDEX = Rule.error(
    "L03",
    "reindex",
    "REINDEX stops every query that would plan with the index until the last row is indexed.",
    """\
with op.get_context().autocommit_block():
    op.drop_index("{name}_ccnew", postgresql_concurrently=True, if_exists=True)  # what an interrupted attempt left
    op.execute('REINDEX {what} CONCURRENTLY {name}')""",
)
UNIQUE = Rule.error(
    "L04",
    "unique constraint",
    "Adding a unique constraint builds its index while nobody can read or write the table.",
    """\
with op.get_context().autocommit_block():
    op.create_index("{name}", "{table}", [{columns}], unique=True, postgresql_concurrently=True{schema})
op.execute('ALTER TABLE {sql_table} ADD CONSTRAINT {sql_name} UNIQUE USING INDEX {sql_name}')""",
)
PRIMARY_KEY = Rule.error(
    "L05",
    "primary key",
    "Adding a primary key reads the table and builds its index while nobody can read or write it.",
    """\
# first make the columns NOT NULL, as L10 says; then, in a revision of its own:
with op.get_context().autocommit_block():
    op.create_index("{name}", "{table}", [{columns}], unique=True, postgresql_concurrently=True{schema})
op.execute('ALTER TABLE {sql_table} ADD CONSTRAINT {sql_name} PRIMARY KEY USING INDEX {sql_name}')""",
)
EXCLUSION = Rule.error(
    "L06",
    "exclusion constraint",
    "Adding an exclusion constraint compares all rows with one another while nobody can read or write the table.",
    "There is no way to add it concurrently: create a table with the constraint, copy the rows in batches, and swap the names; or do it in a time without traffic.",
)
CHECK = Rule.error(
    "L07",
    "check constraint",
    "Adding a valid check reads the whole table while nobody can read or write it.",
    """\
op.create_check_constraint("{name}", "{table}", …, postgresql_not_valid=True{schema})
# in the next revision, where only SHARE UPDATE EXCLUSIVE is held:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
)
FOREIGN_KEY = Rule.error(
    "L08",
    "foreign key",
    "Adding a valid foreign key reads both tables while nobody can write to either.",
    """\
op.create_foreign_key("{name}", "{table}", …, postgresql_not_valid=True{source_schema})
# in the next revision, where only SHARE UPDATE EXCLUSIVE is held:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
)
VALIDATE = Rule.error(
    "L09",
    "validated under an earlier lock",
    "VALIDATE reads the table while the lock of an earlier statement of the same transaction still keeps others out.",
    """\
# in a revision of its own, where only SHARE UPDATE EXCLUSIVE is held:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
)
NOT_NULL = Rule.error(
    "L10",
    "SET NOT NULL",
    "SET NOT NULL reads the whole table while nobody can read or write it.",
    """\
op.create_check_constraint("{column}_not_null", "{table}", '{sql_column} IS NOT NULL', postgresql_not_valid=True{schema})
# in the next revision; SET NOT NULL then trusts the valid check and reads nothing:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT "{column}_not_null"')
# in the one after it:
op.alter_column("{table}", "{column}", nullable=False{schema})
op.drop_constraint("{column}_not_null", "{table}"{schema})""",
)
TYPE = Rule.error(
    "L11",
    "type change",
    "Changing the type rewrites the table while nobody can read or write it.",
    """\
op.add_column("{table}", sa.Column("{column}_new", …){schema})
# in the next release write both columns; in the next revision copy in batches, each its own transaction;
# when nothing reads the old column any more:
op.drop_column("{table}", "{column}"{schema})
op.alter_column("{table}", "{column}_new", new_column_name="{column}"{schema})""",
)
TYPE_INDEXES = Rule.error(
    "L13",
    "type change under an index",
    "Changing the type reads the table or builds its indexes anew while nobody can read or write it.",
    """\
# drop the index before, and build it again afterwards, both concurrently
with op.get_context().autocommit_block():
    op.drop_index(…, "{table}", postgresql_concurrently=True{schema})
op.alter_column("{table}", "{column}", type_=…{schema})
with op.get_context().autocommit_block():
    op.create_index(…, "{table}", ["{column}"], postgresql_concurrently=True{schema})""",
)
VOLATILE = Rule.error(
    "L14",
    "volatile default",
    "A default that differs from row to row rewrites the table while nobody can read or write it.",
    """\
op.add_column("{table}", sa.Column("{column}", …){schema})  # without the default
op.alter_column("{table}", "{column}", server_default=…{schema})  # for new rows
# in the next revision: fill old rows in batches, each its own transaction""",
)
IDENTITY = Rule.error(
    "L15",
    "serial or identity column",
    "A serial or identity column rewrites the table while nobody can read or write it.",
    """\
op.add_column("{table}", sa.Column("{column}", sa.BigInteger()){schema})
op.execute(sa.schema.CreateSequence(sa.Sequence("{table}_{column}_seq"{schema})))
op.alter_column("{table}", "{column}", server_default=sa.text("nextval('{table}_{column}_seq')"){schema})  # for new rows
# in the next revision: fill old rows in batches, each its own transaction""",
)
GENERATED = Rule.error(
    "L16",
    "stored generated column",
    "A stored generated column rewrites the table while nobody can read or write it.",
    """\
op.add_column("{table}", sa.Column("{column}", …){schema})  # plain; the application or a trigger writes it
# in the next revision: fill old rows in batches, each its own transaction
# on PostgreSQL 18: sa.Computed(…, persisted=False) costs nothing""",
)
INLINE_CHECK = Rule.error(
    "L17",
    "column with a check",
    "A check that comes with a new column reads the whole table while nobody can read or write it.",
    """\
op.add_column("{table}", sa.Column("{column}", …){schema})
op.create_check_constraint("{table}_{column}_check", "{table}", …, postgresql_not_valid=True{schema})
# in the next revision, where only SHARE UPDATE EXCLUSIVE is held:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT "{table}_{column}_check"')""",
)
DOMAIN = Rule.error(
    "L18",
    "constrained domain",
    "The constraint of a domain is checked on every row of the tables that use it while others are locked out.",
    """\
op.add_column("{table}", sa.Column("{column}", …){schema})  # of the type beneath the domain
op.create_check_constraint("{table}_{column}_check", "{table}", …, postgresql_not_valid=True{schema})
# a constraint on the domain itself: ALTER DOMAIN … ADD CONSTRAINT … NOT VALID, and VALIDATE in the next revision""",
)
LOGGED = Rule.error(
    "L19",
    "SET LOGGED or UNLOGGED",
    "Changing between LOGGED and UNLOGGED rewrites the table while nobody can read or write it.",
    "Create a new table as it should be, copy the rows in batches, and swap the names.",
)
COMPACTED = Rule.error(
    "L20",
    "VACUUM FULL or CLUSTER",
    "The statement writes the table anew while nobody can read or write it.",
    "Leave it out: autovacuum makes room for new rows. When the file must shrink, pg_repack does it beside the traffic.",
)
REFRESHED = Rule.error(
    "L21",
    "materialized view refreshed",
    "REFRESH MATERIALIZED VIEW computes the view anew while nobody can read it.",
    """\
# needs a unique index on the view
with op.get_context().autocommit_block():
    op.execute('REFRESH MATERIALIZED VIEW CONCURRENTLY {sql_table}')""",
)
ATTACHED = Rule.error(
    "L22",
    "partition attached",
    "ATTACH PARTITION reads all rows of the partition, and of the default partition, while they are locked.",
    """\
op.create_check_constraint("{partition}_bounds", "{partition}", …, postgresql_not_valid=True)  # what the bounds say
# in the next revision:
op.execute('ALTER TABLE {sql_partition} VALIDATE CONSTRAINT "{partition}_bounds"')
# in the one after it; it then reads nothing:
op.execute('ALTER TABLE {sql_table} ATTACH PARTITION {sql_partition} …')""",
)
PARTITIONED_INDEX = Rule.error(
    "L24",
    "index on a partitioned table",
    "Building an index on a partitioned table stops every write to all of its partitions until the last row is indexed.",
    """\
op.execute('CREATE {sql_unique}INDEX {sql_index} ON ONLY {sql_table} ({sql_columns})')  # not valid yet, and instant
# for each partition, in a revision of its own:
with op.get_context().autocommit_block():
    op.create_index("{index}_1", …, [{columns}]{unique}, postgresql_concurrently=True)
op.execute('ALTER INDEX {sql_index} ATTACH PARTITION "{index}_1"')  # the last one makes it valid""",
)
TRUNCATED = Rule(
    id="L25",
    name="TRUNCATE",
    level=Level.WARNING,
    effect="TRUNCATE locks out readers and writers, and the previous release finds the table empty.",
    remedy="Delete what is not wanted in batches, each its own transaction.",
)
UNEXPLAINED = Rule.error(
    "L26",
    "other work under a lock",
    "The statement works on rows while others are locked out of a table.",
    "Split it so that nothing that grows with rows runs under this lock.",
)

CAUSES: Final = (
    _cause(
        PARTITIONED_INDEX,
        r'CREATE (?P<unique>UNIQUE )?INDEX (?:IF NOT EXISTS )?(?P<index>[\w."]+) ON (?P<table>[\w."]+)[^(]*\((?P<columns>[^()]+)\)',
        _indexes_partitions,
    ),
    _cause(
        INDEX,
        r'CREATE (?P<unique>UNIQUE )?INDEX (?:IF NOT EXISTS )?(?P<index>[\w."]+) ON (?:ONLY )?(?P<table>[\w."]+)[^(]*\((?P<columns>[^()]+)\)',
    ),
    _cause(
        INDEX,
        r'CREATE (?P<unique>UNIQUE )?INDEX (?:IF NOT EXISTS )?(?P<index>[\w."]+) ON (?:ONLY )?(?P<table>[\w."]+)',
    ),
    _cause(REINDEX, r'REINDEX (?:\([^)]*\) )?(?P<what>INDEX|TABLE|SCHEMA|DATABASE) (?P<name>[\w."]+)'),
    _cause(UNIQUE, _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?UNIQUE \((?P<columns>[^()]+)\)'),
    _cause(PRIMARY_KEY, _ALTER + r'.*ADD (?:CONSTRAINT (?P<name>[\w"]+) )?PRIMARY KEY(?: \((?P<columns>[^()]+)\))?'),
    _cause(EXCLUSION, _ALTER + r'ADD (?:CONSTRAINT [\w"]+ )?EXCLUDE\b'),
    _cause(FOREIGN_KEY, _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?FOREIGN KEY'),
    _cause(CHECK, _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?CHECK'),
    _cause(VALIDATE, _ALTER + r'VALIDATE CONSTRAINT (?P<name>[\w"]+)'),
    _cause(NOT_NULL, _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) SET NOT NULL'),
    _cause(TYPE, _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) (?:SET DATA )?TYPE', _rewrites),
    _cause(TYPE_INDEXES, _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) (?:SET DATA )?TYPE', _keeps_its_file),
    # BY DEFAULT AS IDENTITY is another matter.
    _cause(VOLATILE, _ADD_COLUMN + r".*(?<!\bBY )\bDEFAULT\b", _rewrites),
    _cause(IDENTITY, _ADD_COLUMN + r".*\b(SERIAL|BIGSERIAL|GENERATED .* AS IDENTITY)\b", _rewrites),
    _cause(GENERATED, _ADD_COLUMN + r".*\bGENERATED ALWAYS AS\b", _rewrites),
    _cause(UNIQUE, _ADD_COLUMN + r".*\bUNIQUE\b", _keeps_its_file),
    _cause(INLINE_CHECK, _ADD_COLUMN + r".*\bCHECK\b", _keeps_its_file),
    _cause(DOMAIN, _ADD_COLUMN, _rewrites),
    _cause(DOMAIN, r"ALTER DOMAIN\b"),
    _cause(LOGGED, _ALTER + r"SET (UN)?LOGGED\b"),
    _cause(COMPACTED, r"\A\s*(VACUUM\b.*\bFULL\b|CLUSTER\b)"),
    _cause(REFRESHED, r'REFRESH MATERIALIZED VIEW (?P<table>[\w."]+)'),
    _cause(ATTACHED, _ALTER + r'ATTACH PARTITION (?P<partition>[\w."]+)'),
    _cause(TRUNCATED, r"\A\s*TRUNCATE\b"),
)
