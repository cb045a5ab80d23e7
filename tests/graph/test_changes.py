"""Functions that return changes to the service's files."""

import pytest

from slipway.main import FunctionError, Slipway
from slipway.records.form import to_json
from tests.graph.conftest import PYPROJECT
from tests.graph.test_queries import PROOF, declares

pytestmark = pytest.mark.slow

WRITTEN = "migrations/versions/1a_add_body.py"


def changes(engine, identity):
    """Return the steps to the new state of a changeset, and its way down from the caller's folder."""
    chain = engine.chain_of(identity)
    (placed,) = (step.arguments for step in chain if step.name == "withDirectory")
    return engine.chain_of(placed["source"]), placed["path"]


@pytest.mark.parametrize(("name", "command"), [("format", ["ruff", "format"]), ("fix", ["ruff", "check", "--fix"])])
async def test_a_tool_of_the_service_rewrites_its_files_and_may_fail_because_of_others(
    engine, workspace, capsys, name, command
):
    declares(engine, f"{name} = {command}")
    engine.answers |= {"exitCode": 1, "combinedOutput": "1 file rewritten\n", "isEmpty": False}
    changeset = await getattr(Slipway(), name)(workspace)
    steps, place = changes(engine, await changeset.id())
    assert [step.arguments["args"] for step in steps if step.name == "withExec"][-1] == command
    assert (steps[-2].arguments["path"], place) == ("/app", ".")
    assert capsys.readouterr().out == "1 file rewritten\n"


async def test_a_tool_that_fails_without_a_change_is_an_error(engine, workspace):
    declares(engine, 'format = ["ruff", "format"]')
    engine.answers |= {"exitCode": 2, "combinedOutput": "unknown rule\n", "isEmpty": True}
    with pytest.raises(
        FunctionError, match=r"^format changed nothing: ruff ended with the exit code 2; .*\nunknown rule$"
    ):
        await Slipway().format(workspace)


async def test_a_tool_that_the_settings_do_not_name_changes_nothing(engine, workspace, capsys):
    await Slipway().format(workspace)
    assert "names no format in [tool.slipway.checks]" in capsys.readouterr().out


async def test_changes_of_a_folder_that_is_not_below_the_callers_are_refused(engine, workspace):
    engine.answers |= {
        "findUp": "/services/notes/pyproject.toml",
        "entries": lambda chain: ["uv.lock"] if "uv.lock" in str(chain) else [],
    }
    with pytest.raises(FunctionError, match=r"the changes are in services/notes, which is not the current folder or below it: call from services/notes"):  # fmt: skip
        await Slipway().format(workspace)


@pytest.mark.parametrize("upgrade", [False, True])
async def test_the_lock_is_updated_from_copies_and_upgraded_anew_each_time(engine, workspace, upgrade):
    changeset = await Slipway().lock(workspace, upgrade=upgrade)
    chain = engine.chain_of(await changeset.id())
    new = engine.chain_of([step.arguments["source"] for step in chain if step.name == "withFile"][-1])
    assert [step.arguments["args"] for step in new if step.name == "withExec"] == [["uv", "lock", *(["--upgrade"] * upgrade)]]  # fmt: skip
    assert any(step.arguments.get("name") == "SLIPWAY_CALL" for step in new) is upgrade
    assert not any(step.name == "withMountedFile" for step in new)


@pytest.fixture
def generated(engine):
    """Alembic writes a revision with this body."""

    def of(body):
        engine.answers |= {"exitCode": 0, "combinedOutput": "Generating\n", "addedPaths": [WRITTEN]}
        engine.files |= {
            "/tmp/proof.json": to_json(PROOF),
            "pyproject.toml": PYPROJECT,
            f"/app/{WRITTEN}": f"def upgrade():\n    {body}\n",
        }

    return of


async def test_a_revision_is_generated_on_a_migrated_postgres_and_proven_at_once(engine, workspace, generated, capsys):
    generated('op.add_column("notes", "body")')
    changeset = await Slipway().revision(workspace, "add body")
    steps, _ = changes(engine, await changeset.id())
    *_, command = (step.arguments["args"] for step in steps if step.name == "withExec")
    assert command[0] == "python"
    assert command[2:] == ["--config=alembic.ini", "--", "alembic", "--config=alembic.ini", "revision", "--autogenerate", "--message=add body"]  # fmt: skip
    assert "passed: no findings" in capsys.readouterr().out
    (gate,) = (chain for chain in engine.chains if chain[-1].name == "exitCode" and "slipway.gate" in str(chain))
    (files,) = (step.arguments["source"] for step in gate if step.name == "withDirectory" and step.arguments["path"] == "/app")  # fmt: skip
    assert engine.chain_of(files)[-2].arguments["path"] == WRITTEN


async def test_no_revision_is_left_when_models_and_migrations_agree(engine, workspace, generated, capsys):
    generated("pass")
    changeset = await Slipway().revision(workspace, "nothing")
    steps, _ = changes(engine, await changeset.id())
    assert "--autogenerate" not in str(steps)
    assert capsys.readouterr().out == "nothing was written: the migrations build what the models describe\n"


async def test_a_revision_that_alembic_cannot_generate_is_refused_with_its_last_lines(engine, workspace):
    engine.answers |= {"exitCode": 1, "combinedOutput": "FAILED: Target database is not up to date.\n"}
    with pytest.raises(FunctionError, match=r"^the revision cannot be generated: alembic ended with the exit code 1; .*\nFAILED: Target"):  # fmt: skip
        await Slipway().revision(workspace, "x")
