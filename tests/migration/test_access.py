"""The roles of a service, its database and their privileges, on a server whose main user is no superuser."""

import os
import secrets
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from slipway.errors import RefusedError
from slipway.migration.access import main as access
from slipway.records.access import ServerAccess
from slipway.records.form import MARK, from_json
from slipway.records.refusal import Refusal

pytestmark = pytest.mark.slow
_NAMES = ("main", "owner", "application")
Ask = Callable[..., ServerAccess]


@pytest.fixture(scope="module")
def names(server: str) -> Iterator[dict[str, str]]:
    """Names on a server with a main user, as RDS has one: it creates databases and roles, and is no superuser."""
    mark = secrets.token_hex(4)
    names = {name: f"{name}_{mark}" for name in _NAMES} | {"database": f"3d_{mark}"}  # SQL takes no such name bare
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {names['main']} LOGIN CREATEDB CREATEROLE PASSWORD 'main-secret'")
        yield names
        connection.execute(f'DROP DATABASE IF EXISTS "{names["database"]}" WITH (FORCE)')
        connection.execute(f"DROP ROLE IF EXISTS {', '.join(names[name] for name in reversed(_NAMES))}")


@pytest.fixture
def ask(server: str, names: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Read or make the access of the service, and return the answer; raises its error."""
    monkeypatch.setattr(os, "environ", os.environ.copy())

    def ask(*options: str, **variables: str) -> ServerAccess:
        for role in ("owner", "application"):
            os.environ[f"SLIPWAY_{role.upper()}_URL"] = url(server, names, role)
            os.environ[f"SLIPWAY_{role.upper()}_PASSWORD"] = f"{role}-secret"
        os.environ |= {"SLIPWAY_MAIN_PASSWORD": "main-secret"} | variables
        named = [f"--{name}={value}" for name, value in names.items()]
        code = access([*named, "--owner-secret=notes/URL/owner", "--application-secret=notes/URL", *options])
        said = capsys.readouterr()
        assert '-secret"' not in said.out.replace("main-secret", "")
        assert all(f"{role}-secret" not in said.out + said.err for role in _NAMES)
        text = next(line.removeprefix(MARK) for line in said.out.splitlines() if line.startswith(MARK))
        if code:
            raise from_json(Refusal, text, "the refusal").error()
        return from_json(ServerAccess, text, "the answer")

    return ask


def url(server: str, names: dict[str, str], role: str, password: str = "") -> str:
    place = make_url(server)
    return f"postgresql://{names[role]}:{password or f'{role}-secret'}@{place.host}:{place.port}/{names['database']}"


def test_an_empty_server_gets_roles_and_database_once(ask, names, server):
    shown = ask()
    assert (shown.is_made, len(shown.differences)) == (False, 16)
    assert {each.actual for each in shown.differences} <= {"absent"}, shown
    made = ask("--make")
    assert made.is_made
    assert [each.subject for each in made.differences[:2]] == [f"role {names['owner']}", f"role {names['application']}"]
    assert ask() == ServerAccess((), is_made=False)
    assert ask("--make") == ServerAccess((), is_made=True)
    with psycopg.connect(url(server, names, "owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE notes (id serial PRIMARY KEY); CREATE SCHEMA more; CREATE TABLE more.notes ()")
    with psycopg.connect(url(server, names, "application"), autocommit=True) as application:
        application.execute("INSERT INTO notes DEFAULT VALUES; SELECT * FROM more.notes")
        for refused in ("DROP TABLE notes", "CREATE TABLE mine ()", f"SET ROLE {names['owner']}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(refused)


BY_HAND = {
    "GRANT {owner} TO {application}": ("role {application} in {owner}", "no member", "member"),
    "ALTER ROLE {application} CREATEDB": ("attributes of {application}", "logs in, and no more", "creates databases"),
    'GRANT CONNECT ON DATABASE "{database}" TO PUBLIC': (
        "connections of every role to {database}",
        "refused",
        "allowed",
    ),
    'ALTER DATABASE "{database}" OWNER TO {main}': ("owner of {database}", "{owner}", "{main}"),
}
PASSWORD = ("password of {application}", "that of its secret", "another one")


def test_changes_by_hand_are_named_and_taken_back(ask, names, server):
    with psycopg.connect(server, autocommit=True) as superuser:
        for statement in BY_HAND:
            superuser.execute(statement.format(**names))
        expected = {tuple(text.format(**names) for text in texts) for texts in BY_HAND.values()}
        found = {(each.subject, each.expected, each.actual) for each in ask().differences}
        assert expected <= found
        assert expected <= {(each.subject, each.expected, each.actual) for each in ask("--make").differences}
        superuser.execute(f"ALTER ROLE {names['application']} PASSWORD 'by hand'")
    for options in ((), ("--make",)):
        (password,) = ask(*options).differences
        assert (password.subject, password.expected, password.actual) == tuple(
            text.format(**names) for text in PASSWORD
        )
    assert ask().differences == ()


def test_rights_that_were_taken_back_return_also_on_what_was_created_meanwhile(ask, names, server):
    application = names["application"]
    with psycopg.connect(url(server, names, "owner"), autocommit=True) as owner:
        owner.execute(f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {application}")
        owner.execute("CREATE TABLE later ()")
        owner.execute(f"REVOKE DELETE ON notes FROM {application}")  # as a migration may
    (privileges,) = ask().differences
    assert privileges.subject == f"privileges of {application} on new tables of {names['owner']}"
    ask("--make")
    with psycopg.connect(url(server, names, "application"), autocommit=True) as connection:
        connection.execute("SELECT * FROM later")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM notes")


def test_a_secret_that_was_changed_by_hand_has_a_sentence_of_its_own(ask, names, server):
    (user,) = ask("--make", SLIPWAY_OWNER_PASSWORD="another-secret").differences
    assert (user.subject, user.actual) == ("secret notes/URL/owner/user", "another one")
    assert "rotated by hand" in user.remedy
    elsewhere = url(server, names, "application").replace(names["database"], "billing")
    (secret,) = ask(SLIPWAY_APPLICATION_URL=elsewhere).differences
    assert secret.actual.endswith("/billing")
    assert "changed by hand" in secret.remedy
    with pytest.raises(RefusedError, match="cannot log in with the password in its secret: one of the two was changed"):
        ask(SLIPWAY_MAIN_PASSWORD="another-secret")
