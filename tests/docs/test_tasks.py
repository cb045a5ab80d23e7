"""The tasks of make and of editors match docs/tasks.toml, and each of them exists."""

import ast
import importlib.util
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from slipway.commands.grammar import parse
from slipway.structure import MismatchError

ROOT = Path(__file__).parents[2]


def load():
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "docs/tasks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tasks = load()
TABLE = {task.name: task for task in tasks.table()}
DAGGER = {name: task for name, task in TABLE.items() if task.program == "dagger"}
DEBUGGED = [task for task in TABLE.values() if task.kind is tasks.Kind.DEBUG]
OFFERED = [task for task in TABLE.values() if task.kind is not tasks.Kind.DEBUG]


def functions(decorator=None):
    """Return the functions of the Dagger object as `dagger call` spells them."""
    module = ast.parse((ROOT / "ci/src/slipway/main.py").read_text())
    (main,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Slipway")
    return {
        node.name.replace("_", "-")
        for node in main.body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and (decorator is None or decorator in map(ast.unparse, node.decorator_list))
    }


@pytest.mark.parametrize("name", tasks.files())
def test_generated_files_match_the_table(name):
    assert (ROOT / name).read_text() == tasks.files()[name], "run make tasks"


def test_no_run_configuration_outlives_its_task():
    files = {f".run/{file.name}" for file in (ROOT / ".run").iterdir()}
    assert files <= set(tasks.files())


def test_each_task_runs_a_known_program():
    assert {task.program for task in OFFERED} <= {"dagger", "slipway", "python", "make"}
    assert {task.program for task in DEBUGGED} <= set(tasks.MODULES)


@pytest.mark.parametrize("task", DAGGER.values(), ids=DAGGER)
def test_each_dagger_task_calls_a_function_of_the_module(task):
    verb, *rest = task.arguments.split()
    if verb == "call":
        assert rest[0] in functions()
    else:
        assert rest == []
        assert functions(verb), f"nothing is decorated with {verb}"
        assert verb in {"check", "up"}


@pytest.mark.parametrize("task", [task for task in TABLE.values() if task.program == "slipway"], ids=str)
def test_the_command_line_parses_each_slipway_task(task):
    assert parse(shlex.split(task.arguments)).run


def planned(tasks):
    """Return the commands that make would run; raises when a target does not exist."""
    targets = [task.name for task in tasks]
    command = ["make", "--dry-run", "--silent", "--no-print-directory", "-C", ROOT, *targets]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.slow
def test_make_runs_each_task_and_a_generated_one_as_one_command():
    generated = [task for task in OFFERED if task.program != "make"]
    assert planned(task for task in OFFERED if task.program == "make")
    for line, task in zip(planned(generated), generated, strict=True):
        assert line.endswith(task.command)


@pytest.mark.parametrize("task", [task for task in OFFERED if task.program == "make"], ids=lambda task: task.name)
def test_a_handwritten_target_has_the_name_and_description_of_its_task(task):
    assert task.command == f"make {task.name}"
    assert re.search(rf"^{task.name}:.*## {re.escape(task.says)}$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_no_target_is_defined_twice():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) == len(set(targets))


def test_generating_again_keeps_the_handwritten_part(monkeypatch, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/tasks.toml").write_text((ROOT / "docs/tasks.toml").read_text())
    (tmp_path / "Makefile").write_text("above:\n\ttrue\n")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    once = tasks.files()["Makefile"]
    (tmp_path / "Makefile").write_text(f"{once}\nbelow:\n\ttrue\n")
    assert tasks.files()["Makefile"] == f"{once}\nbelow:\n\ttrue\n"
    assert once.startswith("above:\n\ttrue\n\n")


def test_vscode_has_every_task():
    document = json.loads((ROOT / ".vscode/tasks.json").read_text())
    assert [task["label"] for task in document["tasks"]] == [task.name for task in OFFERED]
    for task in document["tasks"]:
        assert task["command"] in {"dagger", "make"}
        assert all(isinstance(argument, str) for argument in task["args"])


def test_vscode_launches_existing_modules_and_debugs_their_child_processes():
    document = json.loads((ROOT / ".vscode/launch.json").read_text())
    assert [launch["name"] for launch in document["configurations"]] == [task.name for task in DEBUGGED]
    for launch in document["configurations"]:
        assert importlib.util.find_spec(launch["module"])
        assert launch["subProcess"] is True
    assert document["configurations"][-1]["args"] == ["${file}"]


@pytest.mark.parametrize("task", TABLE.values(), ids=lambda task: task.name)
def test_pycharm_has_every_task(task):
    (configuration,) = ET.parse(ROOT / f".run/{task.name}.run.xml").getroot()
    options = {option.get("name"): option.get("value") for option in configuration.findall("option")}
    assert configuration.get("name") == task.name
    if task in DEBUGGED:
        assert importlib.util.find_spec(options["SCRIPT_NAME"])
        assert options["MODULE_MODE"] == "true"
        assert options["PARAMETERS"] == task.arguments.replace("{file}", "$FilePath$")
    else:
        assert options["SCRIPT_TEXT"] in {task.command, f"make {task.name}"}


def test_generated_files_name_no_path_of_this_machine():
    for name, text in tasks.files().items():
        assert str(ROOT) not in text, name
        assert str(Path.home()) not in text, name


def test_a_command_may_contain_quotes():
    task = tasks.Task("a", tasks.Kind.CALL, "x", 'dagger call "b" <c>')
    (configuration,) = ET.fromstring(tasks._configuration(task))
    assert configuration.find("option").get("value") == task.command
    assert tasks._task(task)["args"] == ["call", "b", "<c>"]


@pytest.mark.parametrize("line", ['kind = "calls"', 'says = ""\nsay = ""', "command = 7"])
def test_an_invalid_table_is_refused(monkeypatch, tmp_path, line):
    (tmp_path / "docs").mkdir()
    fields = {"kind": '"call"', "says": '"x"', "command": '"dagger x"'}
    fields = {key: value for key, value in fields.items() if key not in tomllib.loads(line)}
    rest = "\n".join(f"{key} = {value}" for key, value in fields.items())
    (tmp_path / "docs/tasks.toml").write_text(f"[x]\n{rest}\n{line}\n")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    with pytest.raises(MismatchError, match=r"^x\."):
        tasks.table()


def test_the_debugging_page_names_every_debug_task():
    page = (ROOT / "docs/how-to/debug.md").read_text()
    assert all(task.name in page for task in DEBUGGED)
