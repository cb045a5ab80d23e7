"""Functions that return changes to the service's files."""

from dataclasses import replace

import pytest

from slipway.main import FunctionError, Slipway
from slipway.records.form import to_json
from slipway.records.proof import Verdict
from tests.graph.conftest import PYPROJECT
from tests.graph.test_queries import FINDING, PROOF, declares

pytestmark = pytest.mark.slow

WRITTEN = "migrations/versions/1a_add_body.py"


def changes(engine, identity):
    """Return the steps to the new state of a changeset, and its way down from the caller's folder."""
    chain = engine.chain_of(identity)
    if chain[0].name == "node":  # it was synchronised
        chain = engine.chain_of(chain[0].arguments["id"])
    (placed,) = (step.arguments for step in chain if step.name == "withDirectory")
    (home,) = (step.arguments for step in engine.chain_of(placed["source"]) if step.name == "withDirectory")
    return engine.chain_of(home["source"]), placed["path"]


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
    assert "the settings name no format in [tool.slipway.checks]" in capsys.readouterr().out


@pytest.fixture
def above(engine):
    """The service is in a folder above the caller's."""
    engine.answers |= {
        "findUp": "/services/notes/pyproject.toml",
        "entries": lambda chain: ["pyproject.toml", "uv.lock"] if "uv.lock" in str(chain) else [],
        "exitCode": 0,
        "combinedOutput": "",
    }
    declares(engine, 'format = ["ruff", "format"]')


@pytest.mark.usefixtures("above")
@pytest.mark.parametrize("name", ["format", "lock"])
async def test_changes_of_a_folder_that_is_not_below_the_callers_are_refused_unless_there_are_none(
    engine, workspace, name
):
    engine.answers["isEmpty"] = True  # as `dagger check` asks
    await getattr(Slipway(), name)(workspace)
    engine.answers["isEmpty"] = False
    with pytest.raises(FunctionError, match=r"the changes are in services/notes, which is not the current folder or below it: call from services/notes"):  # fmt: skip
        await getattr(Slipway(), name)(workspace)


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize("there", [["uv.lock", "pyproject.toml"], ["pyproject.toml"]])
async def test_the_lock_is_written_or_updated_from_copies_and_upgraded_anew_each_time(
    engine, workspace, upgrade, there
):
    engine.answers |= {"entries": there, "findUp": lambda chain: None if "uv.lock" in str(chain) else "/pyproject.toml"}
    changeset = await Slipway().lock(workspace, upgrade=upgrade)
    (new,) = {step.arguments["source"] for step in engine.steps("withFile") if step.arguments["path"] == "uv.lock"}
    steps = engine.chain_of(
        engine.chain_of(new)[0].arguments["id"]
    )  # it was synchronised, so that errors are seen here
    assert [step.arguments["args"] for step in steps if step.name == "withExec"] == [["uv", "lock", *(["--upgrade"] * upgrade)]]  # fmt: skip
    assert any(step.arguments.get("name") == "SLIPWAY_CALL" for step in steps) is upgrade
    assert not any(step.name == "withMountedFile" for step in steps)
    assert await changeset.id()


async def test_a_service_locked_by_its_requirements_gets_no_lock_of_uv(engine, workspace, capsys):
    engine.answers["entries"] = ["pyproject.toml", "requirements.txt"]
    await Slipway().lock(workspace)
    assert capsys.readouterr().out == "nothing was done: the service is locked by requirements.txt\n"
    assert not engine.steps("withExec")


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
    assert command[2:] == ["--own=DATABASE_URL", "--config=alembic.ini", "--", "alembic", "--config=alembic.ini", "revision", "--autogenerate", "--message=add body"]  # fmt: skip
    assert "passed: no findings" in capsys.readouterr().out
    (gate,) = (chain for chain in engine.chains if chain[-1].name == "exitCode" and "slipway.gate" in str(chain))
    (files,) = (step.arguments["source"] for step in gate if step.name == "withDirectory" and step.arguments["path"] == "/app")  # fmt: skip
    assert engine.chain_of(files)[-2].arguments["path"] == WRITTEN


async def test_the_safe_form_is_written_above_a_statement_that_the_gate_refuses(engine, workspace, generated):
    generated("op.create_index('x')")
    finding = replace(FINDING, file=WRITTEN, line=2, remedy="with op.get_context().autocommit_block():\n    op.create_index('x')")  # fmt: skip
    engine.files["/tmp/proof.json"] = to_json(replace(PROOF, findings=(finding,), verdict=Verdict.FAIL))
    engine.files[WRITTEN] = engine.files[f"/app/{WRITTEN}"]
    changeset = await Slipway().revision(workspace, "add index")
    (new,) = (step.arguments for step in engine.chain_of(await changeset.id()) if step.name == "withNewFile")
    assert new["path"] == WRITTEN
    assert new["contents"] == (
        "def upgrade():\n    # L01: It blocks. Instead:\n    # with op.get_context().autocommit_block():\n"
        "    #     op.create_index('x')\n    op.create_index('x')\n"
    )


async def test_no_revision_is_left_when_models_and_migrations_agree(engine, workspace, generated, capsys):
    generated("pass")
    changeset = await Slipway().revision(workspace, "nothing")
    assert [step.name for step in engine.chain_of(await changeset.id())] == ["directory", "changes", "id"]
    assert capsys.readouterr().out == "nothing was written: the migrations build what the models describe\n"


async def test_a_revision_that_alembic_cannot_generate_is_refused_with_its_last_lines(engine, workspace):
    engine.answers |= {"exitCode": 1, "combinedOutput": "FAILED: Target database is not up to date.\n"}
    with pytest.raises(FunctionError, match=r"^the revision cannot be generated: alembic ended with the exit code 1; .*\nFAILED: Target"):  # fmt: skip
        await Slipway().revision(workspace, "x")
