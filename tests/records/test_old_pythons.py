import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "ci/src"
OLDEST = (3, 10)

# Code that runs in the service's own environment, on the service's Python.
IN_THE_SERVICE = sorted(
    file
    for place in (
        *("__init__.py", "database_url.py", "errors.py", "structure.py"),
        *("records/**/*.py", "gate/**/*.py", "migration/**/*.py"),
    )
    for file in (SOURCE / "slipway").glob(place)
)

# Additions to the standard library since 3.11, by module (docs.python.org, "What's New").
NEWER = {
    "asyncio": {"Barrier", "Runner", "TaskGroup", "timeout", "timeout_at"},
    "builtins": {"BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError"},
    "collections.abc": {"Buffer"},
    "contextlib": {"chdir"},
    "copy": {"replace"},
    "datetime": {"UTC"},
    "enum": {"EnumCheck", "EnumType", "FlagBoundary", "ReprEnum", "StrEnum", "member", "nonmember", "verify"},
    "hashlib": {"file_digest"},
    "itertools": {"batched"},
    "logging": {"getHandlerNames", "getLevelNamesMapping"},
    "math": {"cbrt", "exp2", "fma", "sumprod"},
    "operator": {"call", "is_none", "is_not_none"},
    "types": {"CapsuleType", "get_original_bases"},
    "typing": {
        *("LiteralString", "Never", "NotRequired", "ReadOnly", "Required", "Self", "TypeAliasType", "TypeIs"),
        *("TypeVarTuple", "Unpack", "assert_never", "assert_type", "dataclass_transform", "override", "reveal_type"),
    },
    "warnings": {"deprecated"},
}
NEWER_MODULES = {"annotationlib", "compression", "tomllib"}


def too_new(text):
    """The features of a file that the oldest Python lacks."""
    try:
        tree = ast.parse(text, feature_version=OLDEST)
    except SyntaxError as error:
        return {error.msg}
    return {name for node in ast.walk(tree) for name in names(node) if is_newer(name)}


def names(node):
    """The dotted names that a piece of code uses, as far as they can be read off."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Attribute):
        return [ast.unparse(node)]
    return [f"builtins.{node.id}"] if isinstance(node, ast.Name) else []


def is_newer(name):
    module, _, last = name.rpartition(".")
    return last in NEWER.get(module, ()) or name.partition(".")[0] in NEWER_MODULES


def python(code):
    """The output of a bare interpreter with slipway's source and no installed library."""
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("file", IN_THE_SERVICE, ids=lambda file: str(file.relative_to(SOURCE)))
def test_what_runs_in_the_service_needs_nothing_newer_than_python_3_10(file):
    assert too_new(file.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    pass\nexcept* ValueError:\n    pass",
        "type Name = str",
        "def first[T](items: list[T]) -> T: ...",
        "import tomllib",
        "from datetime import UTC, datetime",
        "import datetime\ndatetime.UTC",
        "from enum import Enum, StrEnum",
        "from typing import Any, Self",
        "import typing\ndef f() -> typing.Never: ...",
        "import asyncio\nasyncio.timeout(1)",
        "raise ExceptionGroup('', [])",
    ],
)
def test_what_is_too_new_is_noticed(code):
    assert too_new(code)


def test_import_slipway_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import slipway; print(*(set(sys.modules) - before))"
    assert python(code).split() == ["slipway"]


def test_records_need_nothing_but_the_standard_library():
    code = """
import importlib, json, pkgutil, sys, slipway.records
for found in pkgutil.iter_modules(slipway.records.__path__, "slipway.records."):
    importlib.import_module(found.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules if not name.startswith("__")})))
"""
    assert set(json.loads(python(code))) - sys.stdlib_module_names == {"slipway"}


def test_records_import_nothing_of_ours_but_the_floor_they_stand_on():
    code = """
import importlib, pkgutil, sys, slipway.records
for found in pkgutil.iter_modules(slipway.records.__path__, "slipway.records."):
    importlib.import_module(found.name)
print(*sorted(name for name in sys.modules if name.startswith("slipway.") and not name.startswith("slipway.records")))
"""
    assert python(code).split() == ["slipway.errors", "slipway.structure"]
