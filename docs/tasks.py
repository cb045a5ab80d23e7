"""Write the tasks of make, VS Code and PyCharm from docs/tasks.toml: `make tasks`."""

import json
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.sax.saxutils import quoteattr

from slipway.structure import read

ROOT = Path(__file__).parents[1]
BEGIN, END = "# Generated from docs/tasks.toml by `make tasks`.\n", "# End of the generated part.\n"
MODULES = {"slipway": "slipway.cli", "pytest": "pytest"}


class Kind(Enum):
    """The purpose of a task."""

    CALL = "call"
    CHECK = "check"
    TEST = "test"
    DEBUG = "debug"


@dataclass(frozen=True)
class Task:
    """A task of this repository; `command` begins with dagger, slipway, pytest, python, or make."""

    name: str
    kind: Kind
    says: str
    command: str

    @property
    def program(self) -> str:
        return self.command.partition(" ")[0]

    @property
    def arguments(self) -> str:
        return self.command.partition(" ")[2]

    @property
    def in_an_editor(self) -> str:
        """The command for an editor: make prepares the environment that slipway and python need."""
        return self.command if self.program in {"dagger", "make"} else f"make {self.name}"


def table() -> list[Task]:
    """Read docs/tasks.toml."""
    tables = tomllib.loads((ROOT / "docs/tasks.toml").read_text(encoding="utf-8"))
    return [read(Task, {"name": name, **fields}, name) for name, fields in tables.items()]


def files() -> dict[str, str]:
    """Return the text of every generated file, by its path."""
    run = {f".run/{task.name}.run.xml": _configuration(task) for task in table()}
    return {"Makefile": _makefile(), ".vscode/tasks.json": _tasks(), ".vscode/launch.json": _launch()} | run


def _makefile() -> str:
    """Replace the generated part of the Makefile; the rest is written by hand."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    above, _, rest = text.partition(BEGIN)
    tasks = [task for task in table() if task.kind is not Kind.DEBUG and task.program != "make"]
    phony = f".PHONY: {' '.join(task.name for task in tasks)}\n"
    part = "\n".join([phony, *map(_target, tasks)])
    return f"{above.rstrip()}\n\n{BEGIN}{part}{END}{rest.partition(END)[2]}"


def _target(task: Task) -> str:
    if task.program == "dagger":
        return f"{task.name}:  ## {task.says}\n\t{task.command}\n"
    return f"{task.name}: $(UV)  ## {task.says}\n\t$(RUN) -- {task.command}\n"


def _tasks() -> str:
    return _json({"version": "2.0.0", "tasks": [_task(task) for task in table() if task.kind is not Kind.DEBUG]})


def _task(task: Task) -> dict[str, object]:
    program, *arguments = shlex.split(task.in_an_editor)
    group = {} if task.kind is Kind.CALL else {"group": "test"}
    run = {"type": "process", "command": program, "args": arguments, "problemMatcher": []}
    return {"label": task.name, "detail": task.says, **run, **group}


def _launch() -> str:
    return _json({"version": "0.2.0", "configurations": [_debug(task) for task in table() if task.kind is Kind.DEBUG]})


def _debug(task: Task) -> dict[str, object]:
    """Return a launch configuration that also debugs child processes."""
    return {
        "name": task.name,
        "type": "debugpy",
        "request": "launch",
        "module": MODULES[task.program],
        "args": shlex.split(task.arguments.format(file="${file}")),
        "python": "${workspaceFolder}/ci/.venv/bin/python",
        "cwd": "${workspaceFolder}",
        "console": "integratedTerminal",
        "subProcess": True,
    }


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _configuration(task: Task) -> str:
    """Return a run configuration with the options that PyCharm and IntelliJ write themselves."""
    options = _python(task) if task.kind is Kind.DEBUG else _shell(task)
    kind = (
        'type="PythonConfigurationType" factoryName="Python"'
        if task.kind is Kind.DEBUG
        else 'type="ShConfigurationType"'
    )
    lines = (f"    <option name={quoteattr(name)} value={quoteattr(value)} />\n" for name, value in options)
    return (
        '<component name="ProjectRunConfigurationManager">\n'
        f'  <configuration default="false" name={quoteattr(task.name)} {kind}>\n'
        f'{"".join(lines)}    <envs />\n    <method v="2" />\n  </configuration>\n</component>\n'
    )


def _shell(task: Task) -> Iterator[tuple[str, str]]:
    yield "SCRIPT_TEXT", task.in_an_editor
    yield "INDEPENDENT_SCRIPT_PATH", "true"
    yield "SCRIPT_PATH", ""
    yield "SCRIPT_OPTIONS", ""
    yield "INDEPENDENT_SCRIPT_WORKING_DIRECTORY", "true"
    yield "SCRIPT_WORKING_DIRECTORY", "$PROJECT_DIR$"
    yield "INDEPENDENT_INTERPRETER_PATH", "true"
    yield "INTERPRETER_PATH", ""
    yield "INTERPRETER_OPTIONS", ""
    yield "EXECUTE_IN_TERMINAL", "true"
    yield "EXECUTE_SCRIPT_FILE", "false"


def _python(task: Task) -> Iterator[tuple[str, str]]:
    yield "INTERPRETER_OPTIONS", ""
    yield "PARENT_ENVS", "true"
    yield "SDK_HOME", "$PROJECT_DIR$/ci/.venv/bin/python"
    yield "WORKING_DIRECTORY", "$PROJECT_DIR$"
    yield "IS_MODULE_SDK", "false"
    yield "ADD_CONTENT_ROOTS", "false"
    yield "ADD_SOURCE_ROOTS", "false"
    yield "SCRIPT_NAME", MODULES[task.program]
    yield "PARAMETERS", task.arguments.format(file="$FilePath$")
    yield "SHOW_COMMAND_LINE", "false"
    yield "EMULATE_TERMINAL", "false"
    yield "MODULE_MODE", "true"
    yield "REDIRECT_INPUT", "false"
    yield "INPUT_FILE", ""


if __name__ == "__main__":
    for name, text in files().items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
