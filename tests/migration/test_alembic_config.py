"""The forms in which projects tell alembic where their revisions are, and what env.py reads of its command line."""

import importlib
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from slipway.errors import BadInputError
from slipway.migration.alembic_config import Call, other_environments
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, XArgumentError

REVISION = "revision = {0!r}\ndown_revision = {1!r}\n\n\ndef upgrade():\n    pass\n"
HERE = "[alembic]\nscript_location = %(here)s/migrations\n"
MIGRATIONS = {"migrations/env.py": "", "migrations/versions/one.py": REVISION.format("one", None)}
APART = {
    "db/env.py": "",
    "a b/one.py": REVISION.format("one", None),
    "ab/one.py": REVISION.format("one", None),
    "more/two.py": REVISION.format("two", "one"),
}
PACKAGE = {"env.py": "", "versions/one.py": REVISION.format("one", None)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes files and changes to their folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(files):
        for name, text in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text)
        importlib.invalidate_caches()  # the folder may have been read within the same tick of the clock

    return write


@pytest.fixture
def environment(url):
    return lambda config="alembic.ini", **options: Environment(Call(config=Path(config), **options), url)


def inside(package):
    return {f"{package}/__init__.py": ""} | {f"{package}/{name}": text for name, text in PACKAGE.items()}


def locations(separator, value):
    return HERE.replace("migrations", "db") + f"{separator}version_locations = {value}\n"


@pytest.mark.parametrize(
    ("files", "config", "options"),
    [
        (MIGRATIONS | {"pyproject.toml": "[tool.alembic]\nscript_location = '%(here)s/migrations'\n"}, "alembic.ini", {}),
        (MIGRATIONS | {"pyproject.toml": "[tool.alembic]\nscript_location = 'migrations'\n"}, "pyproject.toml", {}),
        (
            MIGRATIONS
            | {"alembic.ini": "[alembic]\nx = y\n", "pyproject.toml": "[tool.alembic]\nscript_location='migrations'\n"},
            "alembic.ini",
            {},
        ),
        (MIGRATIONS | {"alembic.ini": "[alembic]\nscript_location = migrations\n"}, "alembic.ini", {}),
        (MIGRATIONS | {"conf/db.ini": "[alembic]\nscript_location = %(here)s/../migrations\n"}, "conf/db.ini", {}),
        (MIGRATIONS | {"alembic.ini": HERE.replace("alembic", "billing")}, "alembic.ini", {"section": "billing"}),
        (inside("shop/db") | {"alembic.ini": "[alembic]\nprepend_sys_path = .\nscript_location = shop.db:.\n"}, "alembic.ini", {}),
        (
            inside("src/pantry/db") | {"alembic.ini": "[alembic]\nscript_location = pantry:db\n"},
            "alembic.ini",
            {},
        ),
        (inside("lib/larder") | {"alembic.ini": "[alembic]\nprepend_sys_path = lib\nscript_location = larder:.\n"}, "alembic.ini", {}),
    ],
    ids=[
        "pyproject.toml alone",
        "pyproject.toml by name",
        "pyproject.toml beside an ini file",
        "a relative folder",
        "from the folder of the ini file",
        "another section",
        "a package",
        "a package below src",
        "a package on the path of the settings",
    ],
)  # fmt: skip
def test_revisions_are_found_as_alembic_finds_them(project, environment, files, config, options):
    project(files)
    assert [script.path for script in environment(config, **options).script.walk_revisions()] == [
        str(Path(name).absolute()) for name in files if name.endswith("one.py")
    ]


@pytest.mark.parametrize(
    ("separator", "value"),
    [
        ("path_separator = os\n", "%(here)s/a b:%(here)s/more"),
        ("path_separator = newline\n", "\n  a b\n  more"),
        ("path_separator = ;\n", "a b;more"),
        ("version_path_separator = os\n", "a b:more"),
        ("", "more, ab"),
    ],
)
def test_version_locations_are_separated_as_the_settings_say(project, environment, separator, value):
    project(APART | {"alembic.ini": locations(separator, value)})
    assert [script.revision for script in environment().script.walk_revisions()] == ["two", "one"]


@pytest.mark.parametrize(
    ("ini", "config", "options", "sentence"),
    [
        (None, "alembic.ini", {}, r"there is no alembic\.ini in .*config; there is deep/down/alembic\.ini"),
        (
            HERE,
            "alembic.ini",
            {"section": "billing"},
            r"has no section \[billing\]: it has \[alembic\]; correct section",
        ),
        (
            "[alembc]\nscript_location = x\n",
            "alembic.ini",
            {},
            r"has no section \[alembic\]: it has \[alembc\]; correct",
        ),
        ("script_location = migrations\n", "alembic.ini", {}, r"alembic\.ini cannot be read: File contains no section"),
        ("[alembic]\nscript_location = no_such:x\n", "alembic.ini", {}, "cannot be used: No module named 'no_such'"),
    ],
)
def test_unusable_settings_are_one_sentence_with_what_was_found(project, environment, ini, config, options, sentence):
    project(MIGRATIONS | {"deep/down/alembic.ini": HERE} | ({"alembic.ini": ini} if ini else {}))
    with pytest.raises(BadInputError, match=sentence):
        environment(config, **options)


@pytest.mark.parametrize(
    ("address", "next_step"),
    [
        ("postgresql+psycopg://db.internal/shop", "own address, postgresql+psycopg://db.internal (since 2.1"),
        ("postgresql+psycopg://{host}:{port}/shop", "or name the driver that the service has"),
    ],
)
def test_a_missing_driver_of_an_address_of_the_applications_own_is_not_one_that_a_setting_changes(
    project, environment, url, monkeypatch, address, next_step
):
    project(MIGRATIONS | {"alembic.ini": HERE})
    ours = environment()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        create_engine(address.format(host=url.host, port=url.port))
    assert next_step in ours.needs(caught.value)


def test_sections_with_revisions_of_their_own_are_other_environments(project, environment):
    billing = "[billing]\nscript_location = billing\n"
    for ours in (HERE, HERE.replace("[alembic]", "[DEFAULT]") + "[alembic]\n"):  # each section inherits from DEFAULT
        project(MIGRATIONS | {"alembic.ini": ours + billing + "[loggers]\nkeys = root\n"})
        assert other_environments(environment().config) == ("billing",)


def test_env_py_sees_the_command_line_of_an_upgrade(project, environment, url):
    env = "from alembic import context\nx = context.get_x_argument(as_dictionary=True)\ncommand = context.config.cmd_opts\n"
    env += "assert (x['tenant'], command.cmd[0].__name__, command.revision) == ('some', 'upgrade', 'heads')\n"
    env += "assert not getattr(command, 'autogenerate', False) and context.get_x_argument() == ['tenant=some']\n"
    project(MIGRATIONS | {"alembic.ini": HERE, "migrations/env.py": env})
    with every_connection_to(url):
        environment(x_arguments=["tenant=some"]).run(lambda _heads, _context: ())


ASKED = 'it reads the argument -x tenant=…; add "tenant=…" to x-arguments in [tool.slipway.migrations]'


@pytest.mark.parametrize(
    ("asks", "error", "sentence"),
    [
        ("x['tenant']", XArgumentError, ASKED),
        ("assert x.get('tenant')", AssertionError, f"AssertionError; {ASKED}"),
        ("x.get('other', 'default'); x['given'].no", AttributeError, 'add "other=…" to x-arguments'),
    ],
)
def test_a_missing_argument_is_named_with_its_setting(project, environment, asks, error, sentence):
    env = f"from alembic import context\nx = context.get_x_argument(as_dictionary=True)\n{asks}\n"
    project(MIGRATIONS | {"alembic.ini": HERE, "migrations/env.py": env})
    here = environment(x_arguments=["given=1"])
    with pytest.raises(error) as caught:
        here.run(lambda _heads, _context: ())
    assert sentence in here.needs(caught.value)


def test_a_revision_may_read_arguments_as_it_is_imported(project, environment):
    reads = "from alembic import context\nschema = context.get_x_argument(as_dictionary=True)['schema']\n"
    project(MIGRATIONS | {"alembic.ini": HERE, "migrations/versions/one.py": reads + REVISION.format("one", None)})
    (script,) = environment(x_arguments=["schema=shop"]).script.walk_revisions()
    assert script.module.schema == "shop"
    with pytest.raises(BadInputError, match=r"one\.py line 2 does not load: .*-x schema=…"):
        environment()


def test_alembic_is_called_from_the_directory_that_the_settings_name(project, environment, monkeypatch, tmp_path):
    project(
        {f"src/{name}": text for name, text in MIGRATIONS.items()}
        | {"src/alembic.ini": "[alembic]\nscript_location = migrations\n"}
    )
    monkeypatch.chdir("src")
    found = environment("src/alembic.ini", directory="src")
    assert (found.folder, found.relative(found.script.dir)) == (tmp_path, "src/migrations")
    assert [each.revision for each in found.script.walk_revisions()] == ["one"]


@pytest.mark.parametrize("files", [{}, {"migrations/alembic.ini": "[alembic]\n"}], ids=["no settings file", "Flask's"])
def test_the_folder_with_env_py_may_be_named_without_a_script_location(project, environment, files):
    project(MIGRATIONS | files)
    found = environment("migrations/alembic.ini", scripts="migrations")
    assert [each.revision for each in found.script.walk_revisions()] == ["one"]


# The part of Flask that finds an application.
FLASK_CLI = """
import importlib

class ScriptInfo:
    def __init__(self, app_import_path):
        self.path = app_import_path

    def load_app(self):
        if self.path is None:
            raise RuntimeError("Could not locate a Flask application")
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)()
"""
APPLICATION = """
import contextlib

inside = []

class Application:
    @contextlib.contextmanager
    def app_context(self):
        inside.append(self)
        yield
        inside.pop()

def create_app():
    return Application()
"""
CONNECTING = """
from slipway.errors import BadInputError

def create_app():
    raise BadInputError("the service connects to sqlite", "let it read an address of Postgres")
"""
ASKING = """
from sqlalchemy.exc import OperationalError

def create_app():
    # longer than the other file of this test, whose bytecode Python would take otherwise
    raise OperationalError("SELECT 1", {}, Exception("connection refused"), code="e3q8")
"""
NEEDS_APPLICATION = "import shop_of_this_test as shop\nassert shop.inside\n"


@pytest.fixture
def flask(project, monkeypatch, tmp_path):
    """A project of Flask-Migrate, with a Flask that only finds applications."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("flask", "flask.cli", "shop_of_this_test"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    project(MIGRATIONS | {"flask/__init__.py": "", "flask/cli.py": FLASK_CLI, "shop_of_this_test.py": APPLICATION})
    Path("migrations/env.py").write_text(NEEDS_APPLICATION)
    Path("migrations/versions/one.py").write_text(NEEDS_APPLICATION + REVISION.format("one", None))


def test_revisions_and_env_py_of_flask_migrate_run_in_its_application_context(flask, environment):
    found = environment(scripts="migrations", app="shop_of_this_test:create_app")
    found.run(lambda _heads, _context: ())
    assert not sys.modules["shop_of_this_test"].inside


def test_a_flask_application_that_cannot_be_found_is_refused_with_the_key_to_set(flask, environment):
    with pytest.raises(
        BadInputError, match=r'finds no application: name the application as app = "package.module:create_app"'
    ):
        environment(scripts="migrations", app="")
    with pytest.raises(
        BadInputError, match=r"nothing_here:x cannot be loaded: ModuleNotFoundError: No module named 'nothing_here'"
    ):
        environment(scripts="migrations", app="nothing_here:x")
    Path("shop_of_this_test.py").write_text(CONNECTING)
    with pytest.raises(BadInputError, match=r"^the service connects to sqlite: let it read an address of Postgres"):
        environment(scripts="migrations", app="shop_of_this_test:create_app")
    Path("shop_of_this_test.py").write_text(ASKING)
    del sys.modules["shop_of_this_test"]
    with pytest.raises(BadInputError, match=r"cannot be loaded: OperationalError: .*connection refused"):
        environment(scripts="migrations", app="shop_of_this_test:create_app")


def test_a_module_that_the_services_build_generates_is_named(flask, environment):
    Path("shop_of_this_test").mkdir()
    Path("shop_of_this_test/__init__.py").write_text("from shop_of_this_test import version\n")
    with pytest.raises(
        BadInputError, match=r"no file of the service is shop_of_this_test.version; if its build generat"
    ):
        environment(scripts="migrations", app="shop_of_this_test:create_app")


ALCHEMY = """
import types

alchemy = types.SimpleNamespace(bind_key="main", alembic_config=types.SimpleNamespace(version_table_name="ddl_version"))
"""
ADVANCED = """
# advanced_alchemy: this env.py reads what its commands add to alembic's configuration
from alembic import context

config = context.config
assert (config.bind_key, config.version_table_name, config.engine) == {expected}
assert config.db_url.startswith("postgresql")
"""


@pytest.mark.parametrize(
    ("app", "expected"),
    [("alchemy_of_this_test:alchemy", ("main", "ddl_version", None)), (None, (None, "alembic_versions", None))],
    ids=["the service's config object", "without one"],
)
def test_env_py_of_advanced_alchemy_finds_what_its_commands_add(
    project, environment, monkeypatch, tmp_path, app, expected
):
    monkeypatch.syspath_prepend(str(tmp_path))
    project(MIGRATIONS | {"alchemy_of_this_test.py": ALCHEMY, "migrations/env.py": ADVANCED.format(expected=expected)})
    environment(scripts="migrations", app=app).run(lambda _heads, _context: ())


def test_a_config_object_of_advanced_alchemy_that_is_not_there_is_refused_with_the_key_to_set(project, environment):
    project(MIGRATIONS | {"migrations/env.py": ADVANCED.format(expected=())})
    with pytest.raises(
        BadInputError, match=r"cannot be loaded: ModuleNotFoundError.*name its SQLAlchemyAsyncConfig as app"
    ):
        environment(scripts="migrations", app="nothing_here:x")
