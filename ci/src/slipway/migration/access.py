"""`python -m slipway.migration.access`: the roles of a service on its server, its database, and the rights of each role there.

It runs in a place that reaches the server, as the server's main user. Each fact is a query, its expected answer, and
the statements that make it true, so a second run changes nothing. Statements contain passwords only in the form in
which the server stores them, because the server may log statements.
"""

import argparse
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from slipway.database_url import stored_password
from slipway.errors import BadInputError, RefusedError
from slipway.migration.database import held, sqlstate, with_connection, with_driver
from slipway.migration.output import answer, discreet
from slipway.migration.reasons import first_line
from slipway.records.access import AccessDifference, ServerAccess

# The variables of this process, whose values ECS reads from secrets.
MAIN_PASSWORD: Final = "SLIPWAY_MAIN_PASSWORD"  # noqa: S105 -- a name
OWNER_URL, OWNER_PASSWORD = "SLIPWAY_OWNER_URL", "SLIPWAY_OWNER_PASSWORD"
APPLICATION_URL, APPLICATION_PASSWORD = "SLIPWAY_APPLICATION_URL", "SLIPWAY_APPLICATION_PASSWORD"
_SECRETS: Final = (MAIN_PASSWORD, OWNER_URL, OWNER_PASSWORD, APPLICATION_URL, APPLICATION_PASSWORD)

_MAINTENANCE = "postgres"  # a database that every server has
_ABSENT, _EXISTS, _UNREAD = "absent", "exists", "not readable by the main user"
# Postgres' codes for a missing role, database or schema.
_MISSING = {"42704", "3D000", "3F000"}
_WRONG_PASSWORD = "28P01"  # noqa: S105 -- a SQLSTATE
_NAME = re.compile(r"[a-z0-9_]{1,63}")
_LOCK = zlib.crc32(b"slipway: one run makes roles at a time")
_ITERATIONS = 4096  # for SCRAM, the same as Postgres' default
_LOGS_IN = "logs in, and no more"
_ATTRIBUTES = {
    "NOT rolcanlogin": "does not log in",
    "rolsuper": "is superuser",
    "rolcreaterole": "creates roles",
    "rolcreatedb": "creates databases",
    "rolreplication": "replicates",
    "rolbypassrls": "bypasses row security",
}
# The application's privileges on objects that migrations create, in the letters of pg_default_acl and pg_class.
_PRIVILEGES = (
    ("TABLES", "r", "rpvmf", "has_table_privilege", "DELETE, INSERT, SELECT, UPDATE"),
    ("SEQUENCES", "S", "S", "has_sequence_privilege", "SELECT, USAGE"),
    ("SCHEMAS", "n", "", "", "USAGE"),
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A fact about the server or, with `inside`, about the service's database.

    `statements` make it true when `query` does not return `expected`.
    """

    subject: str
    expected: str
    query: str
    statements: tuple[str, ...]
    inside: bool = False

    def differing(self, actual: str) -> AccessDifference:
        return AccessDifference(subject=self.subject, expected=self.expected, actual=actual)

    def read(self, connection: Connection) -> AccessDifference | None:
        try:
            actual = connection.exec_driver_sql(self.query).scalar()
        except DBAPIError as error:
            if sqlstate(error) not in _MISSING:
                raise
            actual = None
        return None if actual == self.expected else self.differing(str(actual or _ABSENT))

    def make(self, connection: Connection) -> AccessDifference | None:
        """Execute the statements if they are needed, and return the difference that they removed.

        Raise RefusedError when they fail.
        """
        difference = self.read(connection)
        try:
            for statement in self.statements if difference else ():
                connection.exec_driver_sql(statement)
        except DBAPIError as error:
            raise RefusedError(
                f"could not set {self.subject} to {self.expected}: {first_line(error)}",
                "correct it on the server, and run the same command again; what has been created stays",
            ) from error
        return difference


def facts(database: str, owner: str, application: str, passwords: Sequence[str]) -> Iterator[Fact]:
    """Yield the facts that must be true, in the order in which they can be made true.

    `passwords` are those of owner and application.
    """
    for role, password in zip((owner, application), passwords, strict=True):
        yield from _role(role, password)
    yield Fact(
        subject=f"main user in {owner}",
        expected="member",
        query=f"SELECT CASE WHEN pg_has_role(current_user, '{owner}', 'USAGE') THEN 'member' ELSE 'no member' END",
        statements=(f'GRANT "{owner}" TO CURRENT_USER',),
    )
    yield Fact(
        subject=f"role {application} in {owner}",
        expected="no member",
        query=f"SELECT CASE WHEN pg_has_role('{application}', '{owner}', 'MEMBER') THEN 'member' ELSE 'no member' END",
        statements=(f'REVOKE "{owner}" FROM "{application}"',),
    )
    of_database = f"FROM pg_database WHERE datname = '{database}'"
    create = f'CREATE DATABASE "{database}" OWNER "{owner}"'
    yield Fact(
        subject=f"database {database}",
        expected=_EXISTS,
        query=f"SELECT '{_EXISTS}' {of_database}",
        statements=(create,),
    )
    hand_over = f'ALTER DATABASE "{database}" OWNER TO "{owner}"'
    yield Fact(
        subject=f"owner of {database}",
        expected=owner,
        query=f"SELECT pg_get_userbyid(datdba) {of_database}",
        statements=(hand_over,),
    )
    for role, words, expected, statement in (
        ("public", "every role", "refused", f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC'),
        (application, application, "allowed", f'GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO "{application}"'),
    ):
        may = f"has_database_privilege('{role}', '{database}', 'CONNECT')"
        query = f"SELECT CASE WHEN {may} THEN 'allowed' ELSE 'refused' END"
        yield Fact(
            subject=f"connections of {words} to {database}", expected=expected, query=query, statements=(statement,)
        )
    yield from _inside(database, owner, application)


def _role(name: str, password: str) -> Iterator[Fact]:
    yield Fact(
        subject=f"role {name}",
        expected=_EXISTS,
        query=f"SELECT '{_EXISTS}' FROM pg_roles WHERE rolname = '{name}'",
        statements=(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{stored_password(password, _ITERATIONS)}'",),
    )
    held_ones = _listed((f"WHEN {column} THEN '{words}'" for column, words in _ATTRIBUTES.items()), _LOGS_IN)
    yield Fact(
        subject=f"attributes of {name}",
        expected=_LOGS_IN,
        query=f"SELECT {held_ones} FROM pg_roles WHERE rolname = '{name}'",
        statements=(f'ALTER ROLE "{name}" LOGIN NOCREATEROLE NOCREATEDB',),
    )


def _inside(database: str, owner: str, application: str) -> Iterator[Fact]:
    for role, words, expected, statements in (
        ("public", "every role", "none", ("REVOKE ALL ON SCHEMA public FROM PUBLIC",)),
        (owner, owner, "CREATE, USAGE", (f'GRANT ALL ON SCHEMA public TO "{owner}"',)),
        (
            application,
            application,
            "USAGE",
            (
                f'GRANT USAGE ON SCHEMA public TO "{application}"',
                f'REVOKE CREATE ON SCHEMA public FROM "{application}"',
            ),
        ),
    ):
        held_ones = _listed(
            (f"WHEN has_schema_privilege('{role}', 'public', '{each}') THEN '{each}'" for each in ("CREATE", "USAGE")),
            "none",
        )
        subject = f"privileges of {words} in the schema public of {database}"
        yield Fact(subject=subject, expected=expected, query=f"SELECT {held_ones}", statements=statements, inside=True)
    for objects, letter, kinds, function, privileges in _PRIVILEGES:
        grant = f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" GRANT {privileges} ON {objects} TO "{application}"'
        older = _grant_on_older(kinds, function, privileges, owner, application)
        yield Fact(
            subject=f"privileges of {application} on new {objects.lower()} of {owner}",
            expected=privileges,
            query=_default_privileges(letter, privileges, owner, application),
            statements=(grant, older) if kinds else (grant,),
            inside=True,
        )


def _listed(cases: Iterable[str], empty: str) -> str:
    """Return the SQL that lists the true cases, or `empty` when none is true."""
    return f"coalesce(nullif(concat_ws(', ', {', '.join(f'CASE {case} END' for case in cases)}), ''), '{empty}')"


def _default_privileges(letter: str, privileges: str, owner: str, application: str) -> str:
    wanted = ", ".join(f"'{privilege}'" for privilege in privileges.split(", "))
    return (
        "SELECT coalesce(string_agg(DISTINCT acl.privilege_type, ', ' ORDER BY acl.privilege_type), 'none')"
        " FROM pg_default_acl d, aclexplode(d.defaclacl) acl"
        f" WHERE d.defaclnamespace = 0 AND d.defaclobjtype = '{letter}' AND d.defaclrole = '\"{owner}\"'::regrole"
        f" AND acl.grantee = '\"{application}\"'::regrole AND acl.privilege_type IN ({wanted})"
    )


def _grant_on_older(kinds: str, function: str, privileges: str, owner: str, application: str) -> str:
    """Return the SQL that grants privileges on existing objects.

    Objects with some privileges are left as they are, because a migration may have revoked the others.
    """
    return (
        "DO $$ DECLARE name regclass; BEGIN FOR name IN SELECT oid FROM pg_class"
        # the function fails for other kinds, and Postgres may evaluate conditions in any order
        f" WHERE relowner = '\"{owner}\"'::regrole"
        f" AND CASE WHEN strpos('{kinds}', relkind::text) > 0 THEN NOT {function}('{application}', oid, '{privileges}') ELSE false END"
        f" LOOP EXECUTE 'GRANT {privileges} ON ' || name || ' TO \"{application}\"'; END LOOP; END $$"
    )


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server of a service.

    `owner` and `application` are the URLs of the service's two roles, `main` is the main user's.
    """

    main: URL
    owner: URL
    application: URL

    def read(self) -> list[AccessDifference]:
        """Return the differences. Raise RefusedError when the main user cannot log in."""
        with _explained(self.main):
            found = with_connection(self.main, partial(_read, self._facts(inside=False)))
        wrong, inside = {each.subject for each in found}, self._facts(inside=True)
        if {f"database {self.owner.database}", f"role {self.owner.username}"} & wrong:
            return [*found, *(fact.differing(_ABSENT) for fact in inside)]
        if f"main user in {self.owner.username}" in wrong:
            return [*found, *(fact.differing(_UNREAD) for fact in inside)]
        found += with_connection(self._inside, partial(_read, inside))
        return found or [difference for url in (self.owner, self.application) for difference in _of_password(url)]

    def make(self) -> list[AccessDifference]:
        """Remove all differences, and return them. Raise RefusedError when this fails."""
        with _explained(self.main), held(self.main, _lock, "advisory lock"):
            made = with_connection(self.main, partial(_make, self._facts(inside=False)))
            made += with_connection(self._inside, partial(_make, self._facts(inside=True)))
            for url in (self.owner, self.application):
                made += with_connection(self.main, partial(_set_password, url)) if _of_password(url) else []
        if left := self.read():
            first = left[0]
            raise RefusedError(
                f"{first.subject}: it should be {first.expected}, and is still {first.actual}",
                "let a superuser of the server correct it",
            )
        return made

    def _facts(self, *, inside: bool) -> list[Fact]:
        passwords = [str(url.password) for url in (self.owner, self.application)]
        names = (str(self.owner.database), str(self.owner.username), str(self.application.username))
        return [fact for fact in facts(*names, passwords) if fact.inside is inside]

    @property
    def _inside(self) -> URL:
        """The URL of the service's database for the main user."""
        return self.main.set(database=self.owner.database)


def _read(some: Iterable[Fact], connection: Connection) -> list[AccessDifference]:
    return [difference for fact in some if (difference := fact.read(connection))]


def _make(some: Iterable[Fact], connection: Connection) -> list[AccessDifference]:
    return [difference for fact in some if (difference := fact.make(connection))]


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")


def _of_password(url: URL) -> list[AccessDifference]:
    """Log in with a URL, and return the difference when the server has another password.

    Raise RefusedError for other errors.
    """
    try:
        with_connection(url, lambda _: None)
    except Exception as error:
        if not _is_wrong_password(error):
            raise RefusedError(
                f"{url.username} cannot log in: {first_line(error)}", "run the same command again"
            ) from error
        subject = f"password of {url.username}"
        return [AccessDifference(subject=subject, expected="that of its secret", actual="another one")]
    return []


def _set_password(url: URL, connection: Connection) -> list[AccessDifference]:
    stored = stored_password(str(url.password), _ITERATIONS)
    connection.exec_driver_sql(f"ALTER ROLE \"{url.username}\" PASSWORD '{stored}'")
    subject = f"password of {url.username}"
    return [AccessDifference(subject=subject, expected="that of its secret", actual="another one")]


def _is_wrong_password(error: Exception) -> bool:
    """Return whether the server refused a password. libpq has no SQLSTATE for this."""
    return sqlstate(error) == _WRONG_PASSWORD or "password authentication failed" in str(error)


@contextmanager
def _explained(main: URL) -> Iterator[None]:
    """Turn an error of the main user's connection into a RefusedError."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:
        if _is_wrong_password(error):
            raise RefusedError(
                f"the main user {main.username} cannot log in with the password in its secret: one of the two was changed by hand",
                "store the server's password in the secret, or set the secret's password on the server (aws rds modify-db-instance)",
            ) from error
        raise RefusedError(
            f"the server does not let the main user {main.username} in: {first_line(error)}",
            "check that it runs, and that its security group lets this task in",
        ) from error


def _rotated(options: argparse.Namespace, server: Server) -> list[AccessDifference]:
    """Return the secrets that a person changed by hand. They cannot be corrected on the server."""
    place = (server.owner.host, server.owner.port, options.database)
    found = []
    for url, user, secret, password in (
        (server.owner, options.owner, options.owner_secret, OWNER_PASSWORD),
        (server.application, options.application, options.application_secret, APPLICATION_PASSWORD),
    ):
        if (url.host, url.port, url.database, url.username) != (*place, user):
            found.append(
                AccessDifference(
                    subject=f"secret {secret}",
                    expected=f"{user} at {_place(*place)}",
                    actual=f"{url.username} at {_place(url.host, url.port, url.database)}",
                    remedy="it was changed by hand: store the made URL again, or leave database out of the settings",
                )
            )
        elif os.environ.get(password, url.password) != url.password:
            found.append(
                AccessDifference(
                    subject=f"secret {secret}/user",
                    expected=f"the password of {secret}",
                    actual="another one",
                    remedy="one of the two was rotated by hand: give both the same password, then apply this and deploy",
                )
            )
    return found


def _place(host: str | None, port: int | None, database: str | None) -> str:
    return f"{host}:{port or ''}/{database}"


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when the server was read, or has all facts."""
    options = _parser().parse_args(arguments)

    def ask() -> ServerAccess:
        owner, application = _url(OWNER_URL), _url(APPLICATION_URL)
        main = owner.set(username=options.main, password=os.environ.get(MAIN_PASSWORD, ""), database=_MAINTENANCE)
        server = Server(main=main, owner=owner, application=application)
        if rotated := _rotated(options, server):
            return ServerAccess(tuple(rotated), is_made=False)
        return ServerAccess(tuple(server.make() if options.make else server.read()), is_made=options.make)

    with discreet(_SECRETS):
        return answer(options.file, ask)


def _url(variable: str) -> URL:
    try:
        return with_driver(make_url(os.environ.get(variable, "")))
    except ArgumentError:
        raise BadInputError(
            f"the secret behind {variable} holds no URL of a database", "store the URL that slipway made in it again"
        ) from None


def _name(text: str) -> str:
    """Return the name of a role or database, which becomes part of SQL. Raise ValueError for an unsafe name."""
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m slipway.migration.access", description=__doc__)
    for name in ("main", "owner", "application", "database"):
        parser.add_argument(f"--{name}", required=True, type=_name)
    for name in ("owner-secret", "application-secret"):
        parser.add_argument(f"--{name}", required=True, help="its name")
    parser.add_argument("--make", action="store_true", help="make what is different (default: only read)")
    parser.add_argument("file", type=Path, nargs="?", help="the file to write (default: one marked line of output)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
