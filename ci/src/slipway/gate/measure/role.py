"""The role of a revision: the owner of its database.

It is no superuser unless the settings say that production's role is one.
The gate connects as a superuser. It gives the owner's role to each session of env.py, to programs that revisions start
(gate/redirection.py), and to the statements of releases. Inserting and reading seeds needs the superuser, because
row-level security would hide rows from the owner.
RDS lets its main user do some things that Postgres reserves for superusers:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html. In
the gate, the superuser does them for the role.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from slipway.gate.measure.session import (
    LIMIT,
    as_superuser,
    become,
    become_superuser,
    literal,
    notes_on,
    query,
    rows_written,
)
from slipway.gate.measure.statements import Execution, watching

MAIN_USER: Final = "slipway_rds_superuser"  # has the privileges of RDS' main user
OWNER: Final = "slipway_owner"  # owns its database, and has no further rights

# Needed after a statement that returns to the session's superuser.
_LEAVE_SUPERUSER: Final = """SELECT set_config('session_authorization', rolname::text, false) FROM pg_database JOIN pg_roles r ON r.oid = datdba
WHERE datname = current_database() AND NOT rolsuper AND current_setting('is_superuser') = 'on'"""
_EXTENSION: Final = re.compile(r'\b(?:CREATE|ALTER)\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?"?([\w-]+)', re.IGNORECASE)
_UNTRUSTED: Final = "SELECT name FROM pg_available_extension_versions WHERE NOT trusted AND name = {name}"
# About event triggers, see PostgreSQL.Concepts.General.FeatureSupport.EventTriggers.html in the same guide.
_OFFERED: Final = re.compile(
    r"\s*(?:(?:CREATE|ALTER)\s+(?:EVENT\s+TRIGGER|PUBLICATION)|SET\s+(?:SESSION\s+|LOCAL\s+)?session_replication_role|SELECT\s+pg_(?:terminate|cancel)_backend)\b[^;]*;?\s*",
    re.IGNORECASE,
)
_TAKES_ANOTHER_USER: Final = re.compile(
    r"(?:\A|;)\s*SET\s+(?:SESSION\s+|LOCAL\s+)?SESSION\s+AUTHORIZATION\s+(?!DEFAULT\b)", re.IGNORECASE
)
_RETURNS: Final = re.compile(r"\b(?:SESSION\s+AUTHORIZATION|DISCARD\s+ALL|SET\s+(?:LOCAL\s+)?ROLE)\b", re.IGNORECASE)
_REFUSAL: Final = """DO $slipway$ BEGIN
RAISE insufficient_privilege USING MESSAGE = 'permission denied to set session authorization'; END $slipway$"""
_IS_DIRECT: Final = "opened past SQLAlchemy"
_BEFORE: Final = "the role before a statement of the superuser"

# https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-extensions.html
OFFERED_EXTENSIONS: Final = frozenset(
    """address_standardizer address_standardizer_data_us amcheck autoinc aws_commons aws_lambda aws_s3 bloom bool_plperl btree_gin btree_gist
    citext cube dblink dict_int dict_xsyn earthdistance fuzzystrmatch h3 h3_postgis hll hstore hstore_plperl hypopg insert_username intagg
    intarray ip4r isn jsonb_plperl lo log_fdw ltree moddatetime mysql_fdw oracle_fdw orafce pageinspect pg_bigm pg_buffercache pg_cron
    pg_freespacemap pg_hint_plan pg_partman pg_prewarm pg_proctab pg_repack pg_similarity pg_stat_statements pg_tle pg_transport pg_trgm
    pg_visibility pg_walinspect pgactive pgaudit pgcrypto pglogical pgrouting pgrowlocks pgstattuple pgtap plcoffee plls plperl plprofiler
    plrust pltcl plv8 postgis postgis_raster postgis_tiger_geocoder postgis_topology postgres_fdw prefix rdkit rds_tools refint seg sslinfo
    tablefunc tcn tds_fdw tsm_system_rows tsm_system_time unaccent uuid-ossp vector""".split()  # noqa: SIM905 -- a list would be as many lines
)


@contextmanager
def as_in_production() -> Iterator[None]:
    """During the block, give revisions the privileges of RDS' main user, and deny them those of their session's superuser."""
    with watching(before=_before, after=_after):
        yield


def _before(execution: Execution) -> None:
    connection, sql = execution.session.connection, execution.sql
    _after_superuser(connection)  # the superuser's statement may have failed
    with suppress(execution.session.error):  # raised in a failed transaction
        _enter(connection)
    if _TAKES_ANOTHER_USER.search(sql) and _user(connection) in (MAIN_USER, OWNER):
        rows_written(connection, _REFUSAL)
    elif _OFFERED.fullmatch(sql) and _user(connection) == MAIN_USER:
        notes_on(connection)[_BEFORE] = become_superuser(connection)
    elif (names := OFFERED_EXTENSIONS.intersection(_EXTENSION.findall(sql))) and _user(connection) == MAIN_USER:
        _offer(connection, sql, names)


def _after(execution: Execution) -> None:
    connection = execution.session.connection
    _after_superuser(connection)
    if _RETURNS.search(execution.sql):
        query(connection, _LEAVE_SUPERUSER)


def _enter(connection: Any) -> None:
    """Set role and limits on a connection that a revision opened without SQLAlchemy.

    Do so before each statement, because a rollback resets them.
    """
    notes = notes_on(connection)
    if notes.get(_IS_DIRECT) is not False:
        if entered := bool(query(connection, _LEAVE_SUPERUSER)):
            query(connection, LIMIT)
        notes.setdefault(_IS_DIRECT, entered)


def has_role(connection: Any) -> None:
    """Record that a session has begun with the revisions' role."""
    notes_on(connection)[_IS_DIRECT] = False


def _after_superuser(connection: Any) -> None:
    if before := notes_on(connection).pop(_BEFORE, None):
        with suppress(Exception):  # the driver's own error: in a failed transaction, whose rollback resets this
            become(connection, *before)


def _offer(connection: Any, sql: str, names: Iterable[str]) -> None:
    """Let the superuser execute a statement about extensions.

    If the text has several statements, create the extensions before it.
    """
    untrusted = [name for name in names if query(connection, _UNTRUSTED.format(name=literal(name)))]
    if untrusted and ";" not in sql.strip().rstrip(";"):
        notes_on(connection)[_BEFORE] = become_superuser(connection)
        return
    for name in untrusted:
        with as_superuser(connection):
            rows_written(connection, f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE')


def _user(connection: Any) -> str:
    ((user,),) = query(connection, "SELECT session_user::text")
    return str(user)
