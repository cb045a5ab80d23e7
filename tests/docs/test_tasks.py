"""What make and editors offer is what docs/tasks.toml says, and each of it can be had."""

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
    """The functions of the Dagger object as a command line spells them: all, or those with a decorator."""
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
def test_what_is_offered_is_what_the_table_says(name):
    assert (ROOT / name).read_text() == tasks.files()[name], "run make tasks"


def test_no_run_configuration_is_left_of_a_task_that_is_gone():
    there = {f".run/{file.name}" for file in (ROOT / ".run").iterdir()}
    assert there <= set(tasks.files())


def test_a_task_begins_with_a_program_that_is_known_here():
    assert {task.program for task in OFFERED} <= {"dagger", "slipway", "python", "make"}
    assert {task.program for task in DEBUGGED} <= set(tasks.MODULES)


@pytest.mark.parametrize("task", DAGGER.values(), ids=DAGGER)
def test_what_is_asked_of_dagger_is_a_function_of_the_module(task):
    verb, *rest = task.arguments.split()
    if verb == "call":
        assert rest[0] in functions()
    else:
        assert rest == []
        assert functions(verb), f"nothing is decorated with {verb}"
        assert verb in {"check", "up"}


@pytest.mark.parametrize("task", [task for task in TABLE.values() if task.program == "slipway"], ids=str)
def test_what_is_asked_of_slipway_is_understood_by_its_command_line(task):
    assert parse(shlex.split(task.arguments)).command


@pytest.mark.parametrize("task", OFFERED, ids=lambda task: task.name)
def test_make_has_each_task_as_one_call(task):
    planned = subprocess.run(
        ["make", "--dry-run", "--silent", "--no-print-directory", "-C", ROOT, task.name],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert planned
    if task.program != "make":
        assert len(planned) == 1
        assert planned[0].endswith(task.command)


@pytest.mark.parametrize("task", [task for task in OFFERED if task.program == "make"], ids=lambda task: task.name)
def test_a_target_that_is_written_by_hand_bears_the_name_and_the_words_of_its_task(task):
    assert task.command == f"make {task.name}"
    assert re.search(rf"^{task.name}:.*## {re.escape(task.says)}$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_no_target_is_written_twice():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) == len(set(targets))


def test_writing_again_changes_nothing_and_what_is_written_by_hand_stays(monkeypatch, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/tasks.toml").write_text((ROOT / "docs/tasks.toml").read_text())
    (tmp_path / "Makefile").write_text("above:\n\ttrue\n")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    once = tasks.files()["Makefile"]
    (tmp_path / "Makefile").write_text(f"{once}\nbelow:\n\ttrue\n")
    assert tasks.files()["Makefile"] == f"{once}\nbelow:\n\ttrue\n"
    assert once.startswith("above:\n\ttrue\n\n")


def test_visual_studio_code_gets_every_task():
    document = json.loads((ROOT / ".vscode/tasks.json").read_text())
    assert [task["label"] for task in document["tasks"]] == [task.name for task in OFFERED]
    for task in document["tasks"]:
        assert task["command"] in {"dagger", "make"}
        assert all(isinstance(argument, str) for argument in task["args"])


def test_visual_studio_code_launches_modules_that_exist_and_follows_their_processes():
    document = json.loads((ROOT / ".vscode/launch.json").read_text())
    assert [launch["name"] for launch in document["configurations"]] == [task.name for task in DEBUGGED]
    for launch in document["configurations"]:
        assert importlib.util.find_spec(launch["module"])
        assert launch["subProcess"] is True
    assert document["configurations"][-1]["args"] == ["${file}"]


@pytest.mark.parametrize("task", TABLE.values(), ids=lambda task: task.name)
def test_pycharm_gets_every_task(task):
    (configuration,) = ET.parse(ROOT / f".run/{task.name}.run.xml").getroot()
    options = {option.get("name"): option.get("value") for option in configuration.findall("option")}
    assert configuration.get("name") == task.name
    if task in DEBUGGED:
        assert importlib.util.find_spec(options["SCRIPT_NAME"])
        assert options["MODULE_MODE"] == "true"
        assert options["PARAMETERS"] == task.arguments.replace("{file}", "$FilePath$")
    else:
        assert options["SCRIPT_TEXT"] in {task.command, f"make {task.name}"}


def test_nothing_that_is_written_knows_the_machine_on_which_it_was():
    for name, text in tasks.files().items():
        assert str(ROOT) not in text, name
        assert str(Path.home()) not in text, name


def test_a_name_or_a_command_may_have_quotes():
    task = tasks.Task("a", tasks.Kind.CALL, "x", 'dagger call "b" <c>')
    (configuration,) = ET.fromstring(tasks._configuration(task))
    assert configuration.find("option").get("value") == task.command
    assert tasks._task(task)["args"] == ["call", "b", "<c>"]


@pytest.mark.parametrize("line", ['kind = "calls"', 'says = ""\nsay = ""', "command = 7"])
def test_a_table_that_does_not_fit_is_refused(monkeypatch, tmp_path, line):
    (tmp_path / "docs").mkdir()
    fields = {"kind": '"call"', "says": '"x"', "command": '"dagger x"'}
    fields = {key: value for key, value in fields.items() if key not in tomllib.loads(line)}
    rest = "\n".join(f"{key} = {value}" for key, value in fields.items())
    (tmp_path / "docs/tasks.toml").write_text(f"[x]\n{rest}\n{line}\n")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    with pytest.raises(MismatchError, match=r"^x\."):
        tasks.table()


def test_the_page_about_debugging_names_every_task_for_it():
    page = (ROOT / "docs/how-to/debug.md").read_text()
    assert all(task.name in page for task in DEBUGGED)
