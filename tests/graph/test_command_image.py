"""The image of the command itself, as the engine is asked to build it."""

import re
from pathlib import Path

import dagger
import pytest

import slipway
from slipway.main import Slipway

pytestmark = pytest.mark.slow

CI = Path(__file__).parents[2] / "ci"


async def shipped(engine):
    """Return the steps of the shipped container, and the words of every command that the engine runs."""
    await dagger.dag.version()  # a module is called with an open connection
    await Slipway(python_image="mirror.example/python@sha256:1").cli()
    chain = next(chain for chain in engine.chains if any(step.name == "withUser" for step in chain))
    return chain, [" ".join(step.arguments["args"]) for step in engine.steps("withExec")]


def arguments(chain, name):
    return [step.arguments for step in chain if step.name == name]


async def test_it_runs_any_shell_as_a_user_with_a_name_and_states_its_version(engine, workspace):
    chain, commands = await shipped(engine)
    assert arguments(chain, "withUser") == [{"name": "65532:65532"}]
    assert arguments(chain, "withEntrypoint") == [{"args": []}]
    assert {"name": "UV_SYSTEM_CERTS", "value": "1"} in arguments(chain, "withEnvVariable")
    assert any("useradd --uid 65532" in command for command in commands)
    assert any("apt-get install" in command and command.endswith("sh git") for command in commands)
    labels = {each["name"]: each["value"] for each in arguments(chain, "withLabel")}
    assert labels["org.opencontainers.image.version"] == slipway.__version__
    assert arguments(chain, "from") == [{"address": "mirror.example/python@sha256:1"}]


async def test_it_has_the_locked_libraries_of_the_command_and_none_of_dagger(engine, workspace):
    _, commands = await shipped(engine)
    (export,) = [command for command in commands if "uv export" in command]
    assert re.search(r"--frozen .*--extra local --prune dagger-io", export)
    assert any(command.startswith("uv pip install --require-hashes") for command in commands)
    (copied,) = [
        step.arguments for step in engine.steps("withDirectory") if "objects" in step.arguments.get("exclude", ())
    ]
    kept = [
        path
        for path in (CI / "src/slipway").rglob("*.py")
        if path.relative_to(CI / "src/slipway").parts[0] not in copied["exclude"]
    ]
    outside = [
        path
        for path in kept
        if "graph" not in path.parts and re.search(r"^(import|from) dagger", path.read_text(), re.MULTILINE)
    ]
    assert (outside, any(path.name == "cli.py" for path in kept)) == ([], True)
    asked = {step.arguments["path"] for step in engine.steps("file")}
    assert {name for name in ("pyproject.toml", "uv.lock") if (CI / name).is_file()} <= asked
