"""Rules Q, L02 and L23: locks that are held briefly, but behind which other sessions queue."""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from slipway.gate.rulebook.rule import (
    ADD_COLUMN,
    ADD_TO_BOTH,
    EVENTS,
    INDEXED_NOTES,
    NOTES,
    NOTES_AND_AUTHORS,
    NOTHING,
    Rule,
)
from slipway.records.proof import Level

_warning: Final = partial(Rule, level=Level.WARNING, implies=NOTHING)
_note: Final = partial(Rule, level=Level.NOTE, implies=NOTHING)
_ADD_IN_TIME: Final = f"op.execute(\"SET LOCAL lock_timeout = '2s'\")\n{ADD_COLUMN}"

# For every way to make an engine, synchronous or not, and without effect on another database such as SQLite.
_ON_CONNECTING: Final = """\
# in {file}, before it connects; retry when a limit expires:
import sqlalchemy

@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "do_connect")
def limit_waits(dialect, _record, _arguments, parameters):
    if dialect.name == "postgresql":
        {limits}
"""
# For drivers without such a parameter, or an env.py that passes parameters of its own.
_WHEN_CONNECTED: Final = """\
# in {file}, before it connects; retry when a limit expires:
import sqlalchemy

@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
def limit_waits(connection, _record):
    if "sqlite" in type(connection).__module__:
        return
    cursor = connection.cursor()
    {limits}
    cursor.close()
    connection.commit()
"""


@dataclass(frozen=True, kw_only=True)
class EnvFile:
    """The env.py of a project, and its driver."""

    file: str
    source: str
    driver: str

    @property
    def configure_line(self) -> int | None:
        """The line of the last `context.configure` without a URL, which is the one for online mode; None without such a call."""
        calls = [
            node.lineno
            for node in ast.walk(ast.parse(self.source))
            if isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("context.configure")
            and not any(keyword.arg in {"url", "literal_binds"} for keyword in node.keywords)
        ]
        return max(calls, default=None)


LOCK_TIMEOUT: Final = MappingProxyType({"lock_timeout": "2s"})
EVERY_TIMEOUT: Final = MappingProxyType(
    {**LOCK_TIMEOUT, "statement_timeout": "10min", "idle_in_transaction_session_timeout": "1min"}
)


def timeouts_in(env: EnvFile, timeouts: Mapping[str, str]) -> str:
    """Return code for env.py that sets timeouts for all revisions: a listener of its engine."""
    options = f'parameters.setdefault("options", {json.dumps(" ".join(f"-c {name}={value}" for name, value in timeouts.items()))})'
    passed = {
        "asyncpg": f'parameters.setdefault("server_settings", {{}}).update({json.dumps(dict(timeouts))})',
        "psycopg": options,
        "psycopg2": options,
    }
    limits = None if re.search(r"connect_args|server_settings|\boptions\b", env.source) else passed.get(env.driver)
    sets = (f"cursor.execute(\"SET {name} = '{value}'\")" for name, value in timeouts.items())
    template = _ON_CONNECTING if limits else _WHEN_CONNECTED
    code = template.format(file=env.file, limits=limits or "\n    ".join(sets)).rstrip()
    # Outside a transaction, it may take hours to build an index.
    longest = (
        "\n# statement_timeout must exceed your longest CREATE INDEX CONCURRENTLY, which it would leave INVALID"
        if "statement_timeout" in timeouts
        else ""
    )
    return code + longest


NO_TIMEOUT: Final = _warning(
    id="Q01",
    name="no lock_timeout",
    message="The statement waits for its lock without a limit, and every query of the table queues behind it.",
    code="""op.execute("SET LOCAL lock_timeout = '2s'")  # before the statement, or for all revisions in env.py; retry when it expires""",
    related=("Q04", "Q11"),
    bad=ADD_COLUMN,
    good=_ADD_IN_TIME,
)
# Both are dangerous only without a lock_timeout. The remedy of Q01 sets one, so they are notes beside it.
PARENT_LOCKED: Final = _note(
    id="Q02",
    name="referenced table locked by a drop",
    message="Dropping a foreign key, or the table that has it, also blocks reads and writes of the referenced table.",
    code="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# in a revision of its own, so that it holds no other lock:
op.drop_constraint(…, …, type_="foreignkey")""",
    related=("Q01", "Q03"),
    before="""\
op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True))
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("author_id", sa.BigInteger(), sa.ForeignKey("authors.id", name="notes_author")),
)""",
    bad="""op.drop_table("notes")""",
    good="""\
op.execute("SET LOCAL lock_timeout = '2s'")
op.drop_table("notes")""",
)
PARENT_WAITS: Final = _note(
    id="Q03",
    name="referenced table locked by a new foreign key",
    message="A new table or column with a foreign key blocks writes to the referenced table until the transaction ends.",
    code="""\
op.execute("SET LOCAL lock_timeout = '2s'")
op.create_table("{table}", …)  # or op.add_column, without the foreign key
# in a revision of its own:
op.create_foreign_key("{name}", "{table}", "{parent}", [{columns}], …, postgresql_not_valid=True)""",
    related=("L08", "Q02"),
    before="""op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True))""",
    bad="""\
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("author_id", sa.BigInteger(), sa.ForeignKey("authors.id")),
)""",
    good="""\
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("author_id", sa.BigInteger()),
)
# in the next revision:
op.execute("SET LOCAL lock_timeout = '2s'")
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in the next revision:
op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_author")""",
)
SEVERAL: Final = _warning(
    id="Q04",
    name="several tables locked in one transaction",
    message="The transaction holds strong locks on several tables; another that takes them in a different order deadlocks with it.",
    advice="Put the statements into separate revisions, one table each.",
    related=("Q01", "T07"),
    before=NOTES_AND_AUTHORS,
    bad="""\
op.add_column("notes", sa.Column("read", sa.Boolean()))
op.add_column("authors", sa.Column("seen", sa.Boolean()))""",
    good=ADD_TO_BOTH,
)
TRIGGER: Final = _note(
    id="Q06",
    name="trigger added or dropped",
    message="Adding or dropping a trigger blocks writes to the table until the transaction ends.",
    code="""op.execute("SET LOCAL lock_timeout = '2s'")  # alone in its revision""",
    related=("C14", "Q01"),
    before=f"""\
op.execute("CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
{NOTES}""",
    bad="""op.execute("CREATE TRIGGER stamped BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION stamp()")""",
    good="""\
op.execute("SET LOCAL lock_timeout = '2s'")
op.execute("CREATE TRIGGER stamped BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION stamp()")""",
)
VIEW: Final = _warning(
    id="Q07",
    name="view replaced or dropped",
    message="Replacing or dropping a view blocks reads of it until the transaction ends.",
    code="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# in a revision of its own; CREATE OR REPLACE VIEW keeps the view's grants, DROP and CREATE do not
op.execute("CREATE OR REPLACE VIEW …")""",
    related=("C11", "L21"),
    before=f'{NOTES}\nop.execute("CREATE VIEW titles AS SELECT id, title FROM notes")',
    bad="""op.execute("CREATE OR REPLACE VIEW titles AS SELECT id, title, stars FROM notes")""",
    good="""op.execute("CREATE VIEW starred_titles AS SELECT id, title, stars FROM notes")  # the next release reads it""",
)
METADATA: Final = _warning(
    id="Q08",
    name="metadata changed under a strong lock",
    message="The statement changes only a name, a default, a grant or a policy, but waits for a lock that excludes all others.",
    code="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# in a revision of its own, so that it holds no other lock""",
    related=("Q01",),
    bad="""op.alter_column("notes", "stars", server_default="0")""",
    good="""\
op.execute("SET LOCAL lock_timeout = '2s'")
op.alter_column("notes", "stars", server_default="0")""",
)
EXPLICIT: Final = _warning(
    id="Q10",
    name="explicit lock",
    message="The revision takes an explicit lock and holds it longer than its work needs.",
    advice="Leave it out: each statement takes the lock that it needs. To allow one runner at a time, use pg_advisory_xact_lock, which ends with the transaction.",
    related=("Q04",),
    bad="""\
op.execute("LOCK TABLE notes")
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
    good=_ADD_IN_TIME,
)
UNLIMITED: Final = _note(
    id="Q11",
    name="no statement_timeout or idle timeout",
    message="Nothing ends a statement that hangs, or a transaction whose runner is gone, while it blocks other sessions.",
    code=timeouts_in(EnvFile(file="env.py", source="", driver="psycopg"), EVERY_TIMEOUT),
    related=("Q01", "T09"),
    bad=_ADD_IN_TIME,
    good="""\
op.execute("SET LOCAL lock_timeout = '2s'")
op.execute("SET LOCAL statement_timeout = '10min'")
op.execute("SET LOCAL idle_in_transaction_session_timeout = '1min'")
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
)
DROPPED_INDEX: Final = _note(
    id="L02",
    name="index dropped without CONCURRENTLY",
    message="DROP INDEX is instant, but blocks reads and writes of the table until the transaction ends.",
    code="""\
with op.get_context().autocommit_block():
    op.drop_index("{index}", postgresql_concurrently=True, if_exists=True{schema})""",
    related=("L01",),
    before=INDEXED_NOTES,
    bad="""op.drop_index("notes_title", "notes")""",
    good="""\
with op.get_context().autocommit_block():
    op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)""",
)
DROPPED_INDEX_OF_PARTITIONED: Final = """\
op.execute("SET LOCAL lock_timeout = '2s'")  # try again when it expires: Postgres cannot drop it concurrently
op.drop_index("{index}"{schema})"""
DETACHED: Final = _note(
    id="L23",
    name="partition detached without CONCURRENTLY",
    message="DETACH PARTITION is instant, but blocks reads and writes of the whole table until the transaction ends.",
    code="""\
with op.get_context().autocommit_block():  # not beside a default partition
    pending = op.get_bind().execute(sa.text('''SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass('{partition}')''')).scalar()
    if pending is not None:  # otherwise an interrupted attempt has detached it
        op.execute('ALTER TABLE {table} DETACH PARTITION {partition} ' + ('FINALIZE' if pending else 'CONCURRENTLY'))""",
    related=("L22",),
    before=EVENTS,
    bad="""op.execute("ALTER TABLE events DETACH PARTITION events_2025")""",
    good="""\
attached = sa.text("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'events_2025'::regclass")
pending = op.get_bind().scalar(attached)  # True after an interrupted attempt, None when it is done
if pending is not None:
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE events DETACH PARTITION events_2025 {'FINALIZE' if pending else 'CONCURRENTLY'}")""",
)
# A project answers these once: by a lock_timeout for all revisions, and by the size of its revisions.
ONCE: Final = (PARENT_LOCKED, PARENT_WAITS, SEVERAL, TRIGGER, VIEW, METADATA)
