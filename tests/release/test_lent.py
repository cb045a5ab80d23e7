"""slipway as it is lent to a container that has nothing but a python and what the service needs."""

import json
import subprocess
import sys
import zlib

import pytest

from slipway.release.runners.definition import archive, definition, lent_command
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
    """The modules that are lent, as they are imported."""
    lent = (f"slipway/{name}" for name in json.loads(zlib.decompress(archive(program))))
    modules = [name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in lent]
    return [name for name in modules if not name.endswith("__main__")]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["__main__", "access"])
def test_all_that_is_lent_can_be_imported_from_what_is_lent(program):
    flag, bootstrap, content = lent_command([], program)
    looked_at = bootstrap.replace("sys.exit(main(sys.argv[1:]))", "exec(sys.argv[1])")
    done = subprocess.run(
        [sys.executable, flag, looked_at, content, EVERY % names(program)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("all there\n", "")


def test_the_same_slipway_makes_the_same_bytes():
    assert archive() == archive()


def test_25_of_the_64_kb_of_a_task_definition_are_left_for_the_service():
    assert sum(map(len, lent_command([]))) < 39 * 1024
    assert len(definition(order(DIGEST))["containerDefinitions"][0]["command"]) == len(lent_command(["", "", ""]))


@pytest.mark.slow
def test_the_arguments_come_after_what_is_lent():
    assert lent_command(["--look"])[-1] == "--look"
    done = subprocess.run([sys.executable, *lent_command(["--help"])], capture_output=True, text=True, check=False)
    assert "change nothing, and write the revision of the database" in done.stdout
