"""Settings guessed for services without [tool.slipway]."""

import pytest

from slipway.errors import BadInputError
from slipway.local import guess as module
from slipway.settings import parse

APPLICATION = "from fastapi import FastAPI\n\napp = FastAPI()\n"
FACTORY = "def create_app():\n    return FastAPI()\n"
ALEMBIC = {
    "alembic.ini": "[alembic]\nscript_location = migrations\n",
    "migrations/env.py": "from alembic import context\n",
}
SERVICE = {
    "pyproject.toml": '[project]\nname = "Shop_API"\n',
    **ALEMBIC,
    "app/main.py": APPLICATION,
    "app/settings.py": "from dynaconf import Dynaconf\n",  # which may read any variable
}


def guess(files):
    """The settings that are guessed: their text is what `init` writes, and is read as strictly."""
    return parse(module.guess(files))


def started(files):
    """The command for a service with these Python files."""
    return guess(ALEMBIC | {f"{name}.py": text for name, text in files.items()}).command


def test_a_plain_service_needs_no_settings():
    settings = guess(SERVICE)
    assert settings.name == "shop-api"
    assert settings.command == ("uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000")
    assert settings.migrations.config == "alembic.ini"
    assert settings.migrations.database_variable == "DATABASE_URL"


def test_what_is_guessed_can_be_pasted_into_pyproject_toml():
    settings = guess(SERVICE | {".env.example": 'DATABASE_URL=postgresql+psycopg://a:b@c/d\nMOTTO="say \\"hi\\""\n'})
    assert settings.migrations.driver == "postgresql+psycopg"
    assert settings.migrations.variables == {"MOTTO": 'say \\"hi\\'}


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("main", "main"),
        ("app/main", "app.main"),
        ("src/main", "main"),
        ("src/shop/main", "shop.main"),
        ("app/__init__", "app"),
    ],
)
def test_a_module_is_named_from_the_top_or_from_src(name, module):
    assert started({name: APPLICATION})[1] == f"{module}:app"


def test_a_module_of_a_package_is_named_from_where_the_package_begins():
    assert started({"src/py/shop/__init__": "", "src/py/shop/web/main": APPLICATION})[1] == "shop.web.main:app"


def test_a_factory_is_called():
    assert started({"shop": FACTORY})[:3] == ("uvicorn", "--factory", "shop:create_app")


def test_a_ready_application_takes_precedence_over_a_factory_and_a_shallow_one_over_a_deep_one():
    assert started({"shop": FACTORY, "deep/down/main": APPLICATION, "less/deep": APPLICATION})[1] == "less.deep:app"


@pytest.mark.parametrize("folder", ["tests", "docs", "examples", "scripts", "migrations"])
def test_what_is_not_the_service_is_not_started(folder):
    assert started({f"{folder}/main": APPLICATION, "a/b/c/main": APPLICATION})[1] == "a.b.c.main:app"


def test_a_file_that_does_not_parse_is_passed_over():
    assert started({"broken": "def (", "main": APPLICATION})[1] == "main:app"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"main.py": "app = Flask(__name__)"}, ("gunicorn", "main:app", "--bind", "0.0.0.0:8000")),
        (
            {"main.py": "def create_app():\n    return Flask(__name__)"},
            ("gunicorn", "main:create_app()", "--bind", "0.0.0.0:8000"),
        ),
        (
            {"main.py": APPLICATION, "uv.lock": 'name = "hypercorn"'},
            ("hypercorn", "main:app", "--bind", "0.0.0.0:8000"),
        ),
        (
            {"main.py": APPLICATION, "uv.lock": 'name = "granian"'},
            ("granian", "--interface", "asgi", "main:app", "--host", "0.0.0.0", "--port", "8000"),
        ),
    ],
    ids=["Flask", "a Flask factory", "hypercorn", "granian"],
)
def test_the_server_is_the_one_that_fits_and_is_locked(files, command):
    assert guess(ALEMBIC | files).command == command


def test_the_variable_of_the_database_is_the_one_whose_example_is_a_url_of_postgres():
    migrations = guess(
        SERVICE | {".env.example": "DB_URI=postgresql+asyncpg://a:b@c/d  # here\nexport DEBUG='1'\n"}
    ).migrations
    assert migrations.database_variable == "DB_URI"
    assert migrations.driver == "postgresql+asyncpg"
    assert migrations.variables == {"DEBUG": "1"}


def test_a_database_in_parts_gets_a_word_for_each():
    example = (
        "POSTGRES_HOST=postgres\nPOSTGRES_PORT=5432\nPOSTGRES_USER=me\nPOSTGRES_PASSWORD=secret\nPOSTGRES_DB=shop\n"
    )
    migrations = guess(SERVICE | {".env.example": example}).migrations
    assert migrations.database_variable == "DATABASE_URL"
    assert migrations.variables == {
        "POSTGRES_HOST": "{host}",
        "POSTGRES_PORT": "{port}",
        "POSTGRES_USER": "{user}",
        "POSTGRES_PASSWORD": "{password}",
        "POSTGRES_DB": "{database}",
    }


def test_a_variable_without_an_example_gets_a_stand_in_and_a_committed_env_is_never_read():
    files = SERVICE | {".env.example": "SECRET_KEY=\n", ".env": "SECRET_KEY=real\nOTHER=real\n"}
    assert guess(files).migrations.variables == {"SECRET_KEY": "this-is-no-secret-only-a-stand-in-slipway-0="}


@pytest.mark.parametrize(
    ("lock", "driver"),
    [
        (["asyncpg"], "postgresql+asyncpg"),
        (["asyncpg", "psycopg"], "postgresql+psycopg"),
        (["asyncpg", "psycopg2"], "postgresql"),
    ],
)
def test_the_driver_is_the_locked_one(lock, driver):
    assert (
        guess(SERVICE | {"uv.lock": "".join(f'[[package]]\nname = "{name}"\n' for name in lock)}).migrations.driver
        == driver
    )


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("migrations/env.py", "names the folder migrations, which does not exist"),
        ("app/main.py", "found no ASGI or WSGI application"),
    ],
)
def test_what_cannot_be_guessed_is_bad_input(missing, what):
    files = {name: text for name, text in SERVICE.items() if name != missing}
    with pytest.raises(BadInputError, match=what):
        guess(files)
