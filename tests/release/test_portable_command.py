"""A command that carries slipway into a container with nothing but a python and the service's libraries."""

import json
import subprocess
import sys
import zlib

import pytest

from slipway.release.runners.definition import archive, definition, portable_command
from tests.release.desired import DIGEST
from tests.release.migrating import order

EVERY = """
import importlib, sys
for name in %r:
    module = importlib.import_module(name)
    assert module.__file__.startswith(sys.path[0]), module.__file__
print("all there")
"""


def names(program):
    """The modules that are carried, as they are imported."""
    carried = (f"slipway/{name}" for name in json.loads(zlib.decompress(archive(program))))
    modules = [name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in carried]
    return [name for name in modules if not name.endswith("__main__")]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["__main__", "access"])
def test_every_carried_module_can_be_imported_from_the_command(program):
    flag, bootstrap, content = portable_command([], program)
    checking = bootstrap.replace("sys.exit(main(sys.argv[1:]))", "exec(sys.argv[1])")
    done = subprocess.run(
        [sys.executable, flag, checking, content, EVERY % names(program)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("all there\n", "")


def test_the_same_slipway_makes_the_same_bytes():
    assert archive() == archive()


def test_25_of_the_64_kb_of_a_task_definition_are_left_for_the_service():
    assert 64 * 1024 - sum(map(len, portable_command([]))) > 25_000
    assert len(definition(order(DIGEST))["containerDefinitions"][0]["command"]) == len(portable_command(["", "", ""]))


@pytest.mark.slow
def test_the_arguments_come_after_the_modules():
    assert portable_command(["--status"])[-1] == "--status"
    done = subprocess.run([sys.executable, *portable_command(["--help"])], capture_output=True, text=True, check=False)
    assert "change nothing, and write the revision of the database" in done.stdout
