"""The services of a repository are the folders with a table, and a change concerns those whose files it may alter."""

import json
import subprocess

import pytest

from slipway.cli import run
from slipway.errors import BadInputError
from slipway.local.services import calls_of, check_tables, concerned_by, services_in, settings_around
from slipway.records.services import Service
from tests.local.test_adoption import service as written

TABLE = '[tool.slipway]\nname = "shop"\n'
FILES = {
    "pyproject.toml": "[project]\nname = 'slipway-examples'\n",  # the word alone is no table
    "services/shop/pyproject.toml": TABLE,
    "services/shop/slipway.toml": "[tool.slipway.migrations]\n",
    "services/shop-old/pyproject.toml": "[tool.slipway.migrations]\n",
    "legacy/shop/slipway.toml": TABLE,
    "broken/pyproject.toml": "[tool.slipway]\nname = \n",
    "services/shop/.venv/pyproject.toml": TABLE,
    "web/node_modules/x/pyproject.toml": TABLE,
    ".hidden/pyproject.toml": TABLE,
    "env/pyvenv.cfg": "",
    "env/src/x/pyproject.toml": TABLE,
}
FOUND = (
    Service("broken"),
    Service("legacy/shop", "shop"),
    Service("services/shop"),  # slipway.toml is read before pyproject.toml
    Service("services/shop-old"),
)


def test_every_folder_with_a_table_is_a_service_once_and_links_and_environments_are_not_followed(tmp_path):
    written(tmp_path, FILES)
    (tmp_path / "services/shop/loop").symlink_to(tmp_path)
    assert services_in(tmp_path).services == FOUND


def test_the_gate_knows_the_calls_of_a_service_and_its_callers_and_the_deployment_reads_all_settings(tmp_path):
    table = '[tool.slipway]\nname = "{}"\ncommand = ["serve"]\ncalls = {}\n'
    tables = {"web": table.format("web", '["billing"]'), "billing": table.format("billing", "[]")}
    written(
        tmp_path, {f"{name}/pyproject.toml": each for name, each in tables.items()} | {"old/slipway.toml": TABLE[:15]}
    )
    written(tmp_path, {".git/HEAD": ""})
    assert calls_of(tmp_path / "web") == (("billing",), ())
    assert calls_of(tmp_path / "billing") == ((), ("web",))
    assert calls_of(tmp_path / "nowhere") == ((), ())
    assert settings_around(tmp_path / "web").keys() == {"web", "billing"}
    written(
        tmp_path,
        {"web/pyproject.toml": f"{tables['web']}port = 0\n", "billing/pyproject.toml": "[tool.slipway]\nname = 'x'\n"},
    )
    with pytest.raises(BadInputError) as error:
        settings_around(tmp_path)
    assert len(error.value.obstacles) == 2
    written(tmp_path, {"web/pyproject.toml": tables["web"], "billing/slipway.toml": tables["billing"]})
    for reading in (settings_around, check_tables):
        with pytest.raises(BadInputError, match=r"^billing/slipway.toml and billing/pyproject.toml both have \[tool"):
            reading(tmp_path)
    assert run(["services", "--source", str(tmp_path)]) == 2
    (tmp_path / "billing/slipway.toml").unlink()
    (tmp_path / "billing/pyproject.toml").write_bytes(b'[tool.slipway]\nname = "billing"\ncommand = ["\xff"]\n')
    with pytest.raises(BadInputError, match=r"^billing/pyproject.toml is not UTF-8 in line 3: save it as UTF-8"):
        settings_around(tmp_path)


def test_a_folder_without_services_is_an_error_with_the_next_step(tmp_path):
    with pytest.raises(BadInputError, match=r"has a table \[tool.slipway\]: run `slipway init` in the folder of each"):
        services_in(tmp_path)


def test_a_folder_without_git_has_no_change_to_name(tmp_path):
    written(tmp_path, FILES)
    with pytest.raises(BadInputError, match=r"is in no git repository, .*: leave --changed out"):
        services_in(tmp_path, "main")


SHOP, NEWS, ROOT = Service("services/shop"), Service("services/news"), Service(".")


@pytest.mark.parametrize(
    ("files", "services", "concerned"),
    [
        ({"services/shop/models.py"}, {SHOP, NEWS}, {SHOP}),
        ({"services/shopping.py"}, {SHOP, NEWS}, {SHOP, NEWS}),
        ({"services/shop/models.py", "libraries/clock.py"}, {SHOP, NEWS}, {SHOP, NEWS}),
        ({"services/shop/models.py"}, {SHOP, NEWS, ROOT}, {SHOP, ROOT}),  # it is in the folder of both
        ({"uv.lock"}, {SHOP, ROOT}, {SHOP, ROOT}),
        (set(), {SHOP, ROOT}, set()),
    ],
)
def test_a_change_concerns_the_services_around_it_or_all(files, services, concerned):
    assert concerned_by(files, tuple(services)) == concerned


@pytest.mark.slow
def test_a_repository_lists_what_it_does_not_ignore_and_what_has_changed_since_the_default_branch(tmp_path, capsys):
    def git(*arguments):
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    def listed(*flags):
        code = run(["services", "--source", str(tmp_path / "services"), *flags])
        return code, capsys.readouterr().out.splitlines()

    git("init", "--quiet", "--initial-branch", "main")
    for name in ("shop", "news", "ignored"):
        written(tmp_path, {f"services/{name}/pyproject.toml": TABLE})
    written(tmp_path, {".gitignore": "ignored/\n", "README": ""})
    git("add", "--all")
    git("commit", "--quiet", "--message", "Begin")
    git("checkout", "--quiet", "-b", "feature")
    assert listed() == (0, ["services/news", "services/shop"])
    assert listed("--changed") == (0, [])
    written(tmp_path, {"services/shop/new.py": ""})
    assert listed("--changed") == (0, ["services/shop"])
    _, lines = listed("--changed", "main", "--json")
    record = json.loads("".join(lines))
    assert [each["folder"] for each in record["unchanged"]] == ["services/news"]
    written(tmp_path, {"README": "new"})
    assert listed("--changed", "HEAD")[1] == ["services/news", "services/shop"]
    assert listed("--changed", "nowhere")[0] == 2
