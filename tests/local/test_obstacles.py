"""An error about a variable names every other one that the settings lack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import BadInputError
from slipway.local.obstacles import with_its_causes
from slipway.settings import Migrations
from slipway.toml import loads
from slipway.workload.python import Python

HERE = Python(Path(sys.prefix))
CODE = "import os\nKEY = os.environ['API_KEY']\n\nclass Mail(BaseSettings):\n    host: str\n"


@pytest.mark.parametrize(
    ("reason", "known", "listed"),
    [
        ("KeyError: 'API_KEY'", {}, "API_KEY (app/config.py line 2), HOST (app/config.py line 5)"),
        ("SettingsError: host: Field required", {}, "API_KEY (app/config.py line 2), HOST (app/config.py line 5)"),
        ("ValueError: api_key is not set", {}, "API_KEY (app/config.py line 2), HOST (app/config.py line 5)"),
        ("UndefinedColumn: column api_key does not exist in users.api_key with api_key_id", {}, ""),
        ('NotNullViolation: null value in column "api_key"', {}, ""),
        ("KeyError: 'API_KEY'", {"HOST": "mail"}, ""),
        ("SyntaxError: invalid syntax", {}, ""),
    ],
)
def test_the_variables_that_the_settings_lack_are_listed_beside_an_error_about_one(tmp_path, reason, known, listed):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/config.py").write_text(CODE)
    error = BadInputError("env.py line 3 fails", reason)
    first, *others = with_its_causes(error, tmp_path, Migrations(variables=known), HERE).obstacles
    assert first is error
    assert [each.what.partition(": ")[2] for each in others] == ([listed] if listed else [])


def test_the_variables_that_the_settings_lack_are_to_be_added_to_those_that_they_have(tmp_path):
    missing, error = {"A": '{"b": "c\x7f"}', "B": "1"}, BadInputError("env.py line 3 fails", "KeyError: 'A'")
    steps = [
        str(with_its_causes(error, tmp_path, Migrations(variables=known), HERE, missing).obstacles[1])
        for known in ({}, {"C": "1"})
    ]
    assert loads(steps[0].partition("know some: ")[2]) == {"variables": missing}
    assert loads(f"[variables]\n{steps[1].partition('know some: ')[2]}".replace(", B", "\nB")) == {"variables": missing}
    assert "add them to variables of [tool.slipway.migrations]" in steps[1]


def test_an_error_that_quotes_the_stand_in_names_the_variables_that_have_it(tmp_path):
    error = BadInputError("env.py line 3 fails", "KeyError: 'slipway'")
    settings = Migrations(variables={"CHANNEL": "slipway", "PORT": "1"})
    first, other = with_its_causes(error, tmp_path, settings, HERE).obstacles
    assert (first, "which the settings have for CHANNEL" in other.what) == (error, True)


def test_an_error_of_a_module_has_the_settings_file_that_exists_only_as_an_example(tmp_path):
    files = {
        "env.py": "from alembic import context\nimport config\n",
        "config.py": "A = 'config.yaml'\n",
        "config_template.yaml": "",
    }
    for name, text in (files | {"alembic.ini": "[alembic]\nscript_location = .\n"}).items():
        (tmp_path / name).write_text(text)
    error = BadInputError("helper.py line 1 does not load", "Exception: no key")
    first, other = with_its_causes(error, tmp_path, Migrations(), HERE).obstacles
    assert first is error
    assert str(other).startswith(
        "config.py may read config.yaml, which the repository has only as config_template.yaml: if"
    )


def test_an_error_of_a_statement_names_the_variables_that_it_and_env_py_read(tmp_path):
    files = {
        "alembic.ini": "[alembic]\nscript_location = .\n",
        "env.py": "from alembic import context\nimport shop\nload(os.getenv('FILE'), os.environ['DATABASE_URL'])\n",
        "shop.py": "import os\n# os.getenv('OTHER')\nload(\n    os.environ.get('CONFIG'),\n    os.getenv('KNOWN'),\n)\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    error = BadInputError("shop.py line 3 does not load", "NotFoundError: no config file")
    settings = Migrations(variables={"KNOWN": "1"})
    first, other = with_its_causes(error, tmp_path, settings, HERE).obstacles
    assert first is error
    assert other.what == "shop.py line 3 reads CONFIG, and env.py FILE, for which the settings have no value"
    named = BadInputError("shop.py line 3 does not load", "KeyError: 'CONFIG'")
    assert with_its_causes(named, tmp_path, settings, HERE) is named


def test_a_module_that_no_file_is_has_the_place_that_names_its_file(tmp_path):
    (tmp_path / "Makefile").write_text("test:\n\tpytest\nVERSION_FILE = shop/version.py\n")
    error = BadInputError("env.py does not load", "ImportError: no file of the service is shop.version; if its build")
    first, other = with_its_causes(error, tmp_path, Migrations(), HERE).obstacles
    assert (first, other.what) == (error, "Makefile line 3 names shop/version.py")


def test_an_error_under_an_older_python_than_the_services_says_so(tmp_path):
    (tmp_path / ".python-version").write_text("3.14\n")
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\n")
    (tmp_path / "old/lib/python3.13").mkdir(parents=True)
    error = BadInputError("models.py line 3 fails", "NameError: name 'Work' is not defined")
    _, other = with_its_causes(error, tmp_path, Migrations(), Python(tmp_path / "old")).obstacles
    assert other.what == "the environment has Python 3.13, and .python-version names 3.14"
    (tmp_path / ".python-version").write_text("3.12\n")
    assert with_its_causes(error, tmp_path, Migrations(), Python(tmp_path / "old")) is error


@pytest.mark.parametrize(
    ("files", "step"),
    [
        (("pyproject.toml",), "`uv lock --exclude-newer 2024-03-01`"),
        (
            ("requirements/base.in",),
            "`uv pip compile requirements/base.in -o requirements.txt --exclude-newer 2024-03-01`",
        ),
        (("Pipfile",), "`pipenv lock`"),
        (("pyproject.toml", "uv.lock"), ""),
    ],
)
def test_an_import_that_a_newer_package_lacks_has_the_command_that_pins_the_dependencies(tmp_path, files, step):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[project]\nname = 'shop'\n")
    for command in (["init"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a", "commit", "-m", "a"]):
        variables = {**os.environ, "GIT_COMMITTER_DATE": "2024-03-01T12:00:00"}
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, env=variables, capture_output=True)
    error = BadInputError("shop.py line 1 does not load", "ModuleNotFoundError: No module named 'sniffio'")
    made = Python(tmp_path / "made", None, Path(files[-1]).name)
    said = str(with_its_causes(error, tmp_path, Migrations(), made))
    assert (step in said, "nothing pins the dependencies" in said) == (True, bool(step))
    assert with_its_causes(error, tmp_path, Migrations(), HERE) is error
