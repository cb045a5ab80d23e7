import pytest

from slipway.migration.output import secrets_in, without

VARIABLES = {
    "DATABASE_URL": "postgresql+psycopg://notes:p%40ssword-of-ours@db:5432/notes",
    "STRIPE_API_KEY": "sk_live_canary",
    "SESSION_SECRET": "canary-session",
    "PASSWORD_OF_A_CHILD": "short",
    "PATH": "/usr/local/bin",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no route to postgresql+psycopg://notes:p%40ssword-of-ours@db", "no route to postgresql+psycopg://notes:***@db"),
        ("FATAL: p@ssword-of-ours", "FATAL: ***"),
        ("sk_live_canary canary-session", "*** ***"),
        ("short things in /usr/local/bin stay", "short things in /usr/local/bin stay"),
    ],
)  # fmt: skip
def test_secrets_are_hidden_in_a_text(text, shown):
    assert without(secrets_in(VARIABLES), text) == shown


def test_secrets_are_hidden_in_every_value_and_the_names_of_fields_stay():
    data = {"canary-session": ["canary-session", {"a": ("x canary-session",)}, 7, None]}
    assert without(secrets_in(VARIABLES), data) == {"canary-session": ["***", {"a": ["x ***"]}, 7, None]}


def test_a_password_that_is_the_users_name_is_no_secret():
    assert secrets_in({}, ["postgresql://postgres:postgres@127.0.0.1/postgres"]) == frozenset()


def test_where_there_are_no_secrets_nothing_is_hidden():
    assert without(secrets_in({}), "a text") == "a text"
