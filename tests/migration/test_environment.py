"""The service's env.py, run with steps of our choice."""

import importlib.util
import sys

import pytest

from slipway.errors import BadInputError
from slipway.migration.alembic_config import Call
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, sentence

ONE = {"one": (None, "op.execute('CREATE TABLE a ()')")}


class PydanticsError(ValueError):
    """The error of pydantic settings, by the parts of it that we read."""

    __module__ = "pydantic_core._pydantic_core"

    def errors(self):
        return [
            {"type": "missing", "loc": ("DB", "URI"), "msg": "Field required", "input": {}},
            {"type": "int_parsing", "loc": ("TOKEN",), "msg": "bad", "input": "hunter2"},
        ]


@pytest.fixture
def environment(write_project, url):
    def make(revisions=None, **project):
        return Environment(Call(config=write_project(revisions or ONE, **project)), url)

    return make


def no_steps(_heads, _context):
    return ()


def test_a_missing_settings_file_is_bad_input_with_the_setting_that_names_it(tmp_path, url):
    with pytest.raises(BadInputError, match=r"name alembic's settings file in \[tool.slipway.migrations\] config"):
        Environment(Call(config=tmp_path / "none.ini"), url)


def test_env_py_is_given_our_database_under_alembics_own_name(environment, url):
    found = environment().config.get_main_option("sqlalchemy.url")
    assert found == url.render_as_string(hide_password=False)


def test_a_percent_sign_in_a_password_is_no_placeholder(write_project, url):
    odd = url.set(password="100%/s")
    environment = Environment(Call(config=write_project(ONE)), odd)
    assert environment.config.get_main_option("sqlalchemy.url") == odd.render_as_string(hide_password=False)


def test_a_run_answers_what_env_py_configured(environment, url):
    env = environment(
        env="import sqlalchemy as sa\nfrom alembic import context\n"
        "with sa.create_engine('postgresql+psycopg://', poolclass=sa.NullPool).connect() as connection:\n"
        "    context.configure(connection=connection, compare_type=False, version_table='applied')\n"
        "    context.run_migrations()\n"
    )
    with every_connection_to(url):
        options = env.run(no_steps)
    assert options["compare_type"] is False
    assert options["version_table"] == "applied"


def test_our_options_win_and_are_not_reported_as_env_pys(environment, url):
    seen = []

    def steps(_heads, context):
        seen.append(context.opts["transaction_per_migration"])
        return ()

    env = environment()
    with every_connection_to(url):
        options = env.run(steps, transaction_per_migration=False)
    assert seen == [False]
    assert options["transaction_per_migration"] is True


def test_the_imports_of_env_py_come_before_those_of_revisions_as_alembic_does(
    environment, write_project, url, tmp_path, monkeypatch
):
    write_project(ONE)
    monkeypatch.syspath_prepend(tmp_path)
    # Imported in the other order, each finds the other half made, and the first loses a name without an error.
    (tmp_path / "first_of_two.py").write_text(
        "try:\n    from second_of_two import Name\nexcept ImportError:\n    pass\n"
    )
    (tmp_path / "second_of_two.py").write_text("import first_of_two\nclass Name: ...\n")
    revision = tmp_path / "migrations/versions/one.py"
    revision.write_text(f"import second_of_two\n{revision.read_text()}")
    env = tmp_path / "migrations/env.py"
    env.write_text(f"import no_such_module_here\nfrom first_of_two import Name\n{env.read_text()}")
    Environment(Call(config=tmp_path / "alembic.ini"), url)
    assert sys.modules["first_of_two"].Name
    (tmp_path / "settings_of_two.py").write_text("raise ValueError('no mode')\n")
    env.write_text(f"import settings_of_two\n{env.read_text()}")
    with pytest.raises(
        BadInputError, match=r"^settings_of_two\.py line 1 does not load: ValueError: no mode; variables"
    ):
        Environment(Call(config=tmp_path / "alembic.ini"), url)


def test_env_py_can_be_run_again_and_again(environment, url):
    env = environment()
    heads = []
    with every_connection_to(url):
        for _ in range(3):
            env.run(lambda found, _: heads.append(found) or ())
    assert heads == [(), (), ()]


def test_a_revision_that_does_not_load_is_reported_with_its_place(environment):
    with pytest.raises(BadInputError, match=r"migrations/versions/one\.py line 8 does not load: SyntaxError"):
        environment({"one": (None, "x =")})


def test_without_a_server_a_revision_that_asks_for_the_connection_is_refused_in_alembics_words(
    write_project, url, tmp_path
):
    write_project(ONE)
    revision = tmp_path / "migrations/versions/one.py"
    revision.write_text(f"from alembic import op\nop.get_bind()\n{revision.read_text()}")
    words = r"one\.py line 2 does not load: (NameError|AttributeError): .*'get_bind'"  # the second after another run of env.py
    with pytest.raises(BadInputError, match=words):
        Environment(Call(config=tmp_path / "alembic.ini"), url.set(port=1))


@pytest.mark.parametrize(
    ("example", "step"),
    [
        ("settings_example.toml", r"copy settings_example\.toml, which is in the same folder, to settings\.toml, if"),
        ("settings.toml.dist", r"copy settings\.toml\.dist, which"),
        ("other_example.toml", "if a step of the build writes this file"),
    ],
)
def test_an_example_beside_a_missing_file_is_named(write_project, url, tmp_path, monkeypatch, example, step):
    write_project(ONE)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / example).touch()
    module = f"settings_beside_{len(example)}"
    (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'settings.toml')!r})")
    for name in ("env.py", "versions/one.py"):
        file = tmp_path / "migrations" / name
        file.write_text(f"import {module}\n{file.read_text()}")
    with pytest.raises(BadInputError, match=rf"{module}\.py line 1 does not load: .*settings\.toml'; {step}"):
        Environment(Call(config=tmp_path / "alembic.ini"), url)


def test_a_truncated_module_is_named_with_the_folders_to_delete(write_project, url, tmp_path, monkeypatch):
    write_project(ONE)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "cut_short.pyc").write_bytes(importlib.util.MAGIC_NUMBER + bytes(12))
    file = tmp_path / "migrations/versions/one.py"
    file.write_text(f"import cut_short\n{file.read_text()}")
    with pytest.raises(
        BadInputError, match=r"EOFError: EOF read where object expected; a \.pyc file is truncated: delete the"
    ):
        Environment(Call(config=tmp_path / "alembic.ini"), url)


def test_a_broken_graph_loads_for_its_findings_are_better(environment):
    environment({"one": ("gone", "")})
    environment({"one": ("one", "")})


def test_warnings_of_revisions_are_kept_from_the_screen(environment):
    env = environment({"one": (None, ""), "two": ("gone", "")})
    assert any("gone" in str(warning.message) for warning in env.warnings)


def raised(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- whatever the service raises
        call()
    return caught.value


def test_the_place_of_an_error_is_the_innermost_line_of_the_service(environment, tmp_path):
    env = environment()
    (tmp_path / "mine.py").write_text("import json\n\ndef outer():\n    inner()\n\ndef inner():\n    json.loads('{')\n")
    namespace = {}
    exec(compile((tmp_path / "mine.py").read_text(), str(tmp_path / "mine.py"), "exec"), namespace)
    assert env.place_of(raised(namespace["outer"])) == ("mine.py", 7)
    assert env.place_in_words(raised(namespace["outer"])) == "mine.py line 7"


def test_an_error_from_elsewhere_is_placed_at_env_py(environment):
    assert environment().place_of(ValueError("from nowhere")) == ("migrations/env.py", 1)


def test_installed_code_is_not_the_services_own(environment, tmp_path):
    env = environment()
    installed = tmp_path / ".venv/lib/site-packages/library.py"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert env.is_own(str(tmp_path / "alembic.ini"))
    assert not env.is_own(str(installed))
    assert not env.is_own(str(tmp_path / "not_there.py"))
    assert not env.is_own(__file__)


def test_slipways_own_code_is_never_the_services(write_project, url, monkeypatch):
    settings = write_project(ONE)
    monkeypatch.chdir("/")
    assert not Environment(Call(config=settings), url).is_own(Environment.__init__.__code__.co_filename)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError("bad\nand a long tail"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (SystemExit("\n  stop \n"), "SystemExit: stop"),
        (
            ValueError('extension "postgis" is not available\nDETAIL: …'),
            'ValueError: extension "postgis" is not available; install it on this Postgres',
        ),
        (
            PydanticsError("1 validation error for Settings\nTOKEN\n  [input_value='hunter2']"),
            "PydanticsError: DB.URI: Field required; TOKEN: bad",
        ),
    ],
)
def test_an_error_is_formatted_in_one_line(error, said):
    assert sentence(error) == said
