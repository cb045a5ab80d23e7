import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import anyio
import dagger
import pytest
from graphql import parse

from slipway.errors import BadInputError
from slipway.graph import bases, cases, image, postgres
from slipway.graph.publish import check_address
from slipway.main import Environment, FunctionError, Slipway
from slipway.objects.call import Call
from slipway.objects.function import one_sentence
from slipway.records.form import from_json, to_json
from slipway.records.gate import GateQuestion
from slipway.records.plan import Action, Plan
from slipway.records.proof import Coverage, Finding, Level, Proof, Revision, Verdict, Versions
from slipway.records.refusal import Refusal
from slipway.records.rehearsal import Act, Rehearsal
from slipway.report.files import PROOF as PROOF_FILES
from slipway.report.files import REHEARSAL as REHEARSAL_FILES
from slipway.simulator.cloud import LOGIN
from tests.graph.conftest import PYPROJECT
from tests.simulator.account import URI, opened

pytestmark = pytest.mark.slow

PROOF = Proof(
    gate=Versions(gate="0", python="3", sqlalchemy="2", alembic="1", driver="psycopg"),
    postgres="18.0",
    history="0" * 64,
    heads=("a",),
    revisions=(),
    findings=(),
    coverage=Coverage(revisions=1, new=1, statements=1),
    verdict=Verdict.PASS,
)
IMAGE = f"{URI}@sha256:{'1' * 64}"
FINDING = Finding(
    rule="L01",
    level=Level.ERROR,
    message="It blocks.",
    revision="a",
    file="migrations/versions/a.py",
    line=9,
    measured="holds SHARE",
    remedy="write it so",
)


async def test_every_base_image_is_pinned_by_digest(engine, workspace):
    await (await Slipway().image(workspace)).sync()
    addresses = [step.arguments["address"] for step in engine.steps("from")]
    assert len(addresses) >= 3
    assert all(re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", address) for address in addresses)


async def test_an_image_can_stand_on_bases_of_a_private_mirror(engine, workspace):
    await (
        await Slipway(python_image="mirror.example/python@sha256:1", uv_image="mirror.example/uv@sha256:2").image(
            workspace
        )
    ).sync()
    assert {step.arguments["address"] for step in engine.steps("from")} == {
        "mirror.example/python@sha256:1",
        "mirror.example/uv@sha256:2",
    }


async def test_the_shipped_container_has_a_numeric_user_and_runs_nothing_while_it_is_built(engine, workspace):
    await (await Slipway().image(workspace, revision="abc")).sync()
    shipped = next(chain for chain in engine.chains if any(step.name == "withUser" for step in chain))
    names = [step.name for step in shipped]
    (user,) = (step.arguments["name"] for step in shipped if step.name == "withUser")
    assert user == "65532:65532"
    assert "withExec" not in names
    assert names[0] == "container"
    assert shipped[0].arguments == {"platform": "linux/amd64"}


async def test_debian_packages_are_installed_once_for_builder_and_image_before_anything_else(engine, workspace):
    engine.files["pyproject.toml"] = f'{PYPROJECT}[tool.slipway.images]\npackages = ["libpq5", "libstdc++6"]\n'
    await (await Slipway().image(workspace)).sync()
    installed = [
        chain for chain in engine.chains if any("apt-get" in str(step.arguments.get("args")) for step in chain)
    ]
    assert any(step.name == "withUser" for chain in installed for step in chain)
    assert any("uv sync" in " ".join(step.arguments.get("args", ())) for chain in installed for step in chain)
    for chain in installed:
        *before, install = chain[: [step.name for step in chain].index("withExec") + 1]
        assert [step.name for step in before] == ["container", "from"]
        assert install.arguments["args"][:2] == ["sh", "-euc"]
        assert install.arguments["args"][3:] == ["sh", "libpq5", "libstdc++6"]


async def test_labels_that_change_with_every_commit_come_last(engine, workspace):
    await (await Slipway().image(workspace, revision="abc")).sync()
    shipped = next(chain for chain in engine.chains if any(step.name == "withUser" for step in chain))
    last = [step for step in shipped if "abc" in step.arguments.values()]
    assert shipped[-len(last) - 1 : -1] == [
        step for step in shipped[-len(last) - 1 : -1] if step.name in {"withEnvVariable", "withLabel", "withAnnotation"}
    ]
    assert len(last) == 3


async def test_the_dependency_layer_sees_the_lock_and_pyproject_and_nothing_else(engine, workspace):
    await (await Slipway().image(workspace)).sync()
    builder = next(chain for chain in engine.chains if any(step.name == "withExec" for step in chain))
    before = [step.name for step in builder[: [step.name for step in builder].index("withExec")]]
    assert before.count("withMountedFile") == 2
    assert "withDirectory" not in before
    command, *_ = (step.arguments["args"] for step in builder if step.name == "withExec")
    assert command == ["uv", "sync", "--locked", "--no-install-project", "--no-editable", "--no-dev"]


async def test_only_what_the_settings_name_is_read_of_the_repository(engine, workspace):
    await (await Slipway().image(workspace)).sync()
    includes = [step.arguments["include"] for step in engine.steps("directory") if "include" in step.arguments]
    declarations = ["slipway.toml", "pyproject.toml", "uv.lock", "requirements.txt", "requirements-dev.txt", ".python-version"]  # fmt: skip
    assert declarations in includes
    assert [
        "app",
        "app/**",
        "migrations",
        "migrations/**",
        "alembic.ini",
        "alembic.ini/**",
        "pyproject.toml",
    ] in includes


async def test_no_file_is_requested_in_a_way_that_sends_its_whole_folder(engine, workspace):
    await (await Slipway().image(workspace)).sync()
    assert engine.steps("file")
    asked = [earlier.name for chain in engine.chains for earlier, step in pairwise(chain) if step.name == "file"]
    assert "currentWorkspace" not in asked


async def test_a_repository_without_a_lock_is_refused_with_a_next_step(engine, workspace):
    engine.answers |= {
        "entries": ["README.md", "pyproject.toml"],
        "findUp": lambda chain: None if chain[-1].arguments["name"] == "uv.lock" else "/pyproject.toml",
    }
    with pytest.raises(
        Exception,
        match=r"the repository's root has none of uv\.lock, requirements\.txt: run `uv lock` there and commit",
    ):
        await Slipway().image(workspace)


async def test_the_gate_is_one_exec_beside_a_pinned_postgres_with_only_its_own_rooms_mounted(engine, workspace):
    engine.answers |= {"exitCode": 0, "stdout": "2019-05-05 2020-01-02\n\n2020-13-45 2999-01-01\n"}
    engine.files["/tmp/proof.json"] = to_json(PROOF)
    await Slipway().gate(workspace, since="main")
    chain = next(chain for chain in engine.chains if chain[-1].name == "exitCode")
    commands = [step.arguments["args"] for step in chain if step.name == "withExec"]
    assert commands[-1][:3] == ["/opt/venv/bin/python", "-m", "slipway.gate"]
    asked = [step.arguments.get("stdin", "") for step in chain if step.name == "withExec"][-1]
    question = from_json(GateQuestion, asked, "the question")
    assert question.today == "2020-01-03"  # the proof stays in the cache until an allowance expires
    assert (question.since.name, question.since.refusal.what) == ("main", "a Dagger function reads no git history")
    lent = next(step.arguments["include"] for step in chain if step.arguments.get("path") == "/opt/slipway/slipway")
    assert lent == [
        "__init__.py",
        "database_url.py",
        "errors.py",
        "structure.py",
        "records/**",
        "migration/**",
        "gate/**",
    ]
    (service,) = (step for step in chain if step.name == "withServiceBinding")
    server = engine.chain_of(service.arguments["service"])
    assert any(step.name == "from" and step.arguments["address"].startswith("postgres:18@sha256:") for step in server)
    assert any(step.name == "withDockerHealthcheck" for step in server)


async def test_a_postgres_major_without_a_pinned_image_is_refused(engine, workspace):
    with pytest.raises(Exception, match="no image pinned for postgres-9"):
        await Slipway().gate(workspace, postgres="9")


@pytest.fixture
def refused(engine):
    """The proof of a refused history."""
    engine.answers |= {"exitCode": 0}
    engine.files["/tmp/proof.json"] = to_json(replace(PROOF, findings=(FINDING,), verdict=Verdict.FAIL))


def uploaded(engine):
    """Return the files of the last directory that a function uploaded; an engine refuses an absolute path."""
    folder = Path(engine.steps("workdir")[-1].arguments["path"])
    assert not folder.is_absolute()
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("refused")
async def test_a_call_that_ends_at_the_gate_or_its_check_fails_with_the_findings(workspace):
    gate = await Slipway().gate(workspace)
    for ending in (gate.sync(), Slipway().migrations(workspace)):
        with pytest.raises(FunctionError, match=r"migrations/versions/a\.py:9"):
            await ending


async def test_a_call_that_ends_at_the_gate_prints_an_id_after_the_report_of_a_history_that_passes(
    engine, workspace, capsys
):
    engine.answers |= {"exitCode": 0}
    engine.files["/tmp/proof.json"] = to_json(PROOF)
    gate = await Slipway().gate(workspace)
    assert capsys.readouterr().out == gate.summary == await Slipway().migrations(workspace)
    assert engine.chain_of(await gate.sync())[-2].arguments["contents"].startswith("passed: no findings; ")
    assert (gate.verdict, gate.summary.splitlines()[-1].partition(":")[0]) == ("passed", "passed")


@pytest.mark.usefixtures("refused")
async def test_the_reports_of_a_refused_history_are_exported_while_a_test_in_the_trace_fails(
    engine, workspace, monkeypatch
):
    tracer = MagicMock()
    monkeypatch.setattr("dagger.telemetry.get_tracer", lambda: tracer)
    gate = await Slipway().gate(workspace)
    await gate.report()
    assert uploaded(engine).keys() == PROOF_FILES.keys()
    (shown,) = tracer.start_as_current_span.call_args_list
    assert shown.args[0].startswith("refused: 1 error;")
    assert shown.kwargs["attributes"]["test.case.result.status"] == "fail"
    assert await (await gate.proof()).contents() == engine.files["/tmp/proof.json"]
    with pytest.raises(FunctionError, match=r"the gate refused this history \(L01\)"):
        await gate.certificate()


@pytest.mark.parametrize(("executed", "verdict"), [(0, "not executed"), (1, "not fully executed")])
async def test_a_gate_that_did_not_run_the_history_has_not_passed_and_is_not_red(
    engine, workspace, monkeypatch, executed, verdict
):
    tracer = MagicMock()
    monkeypatch.setattr("dagger.telemetry.get_tracer", lambda: tracer)
    engine.answers |= {"exitCode": 0}
    revision = Revision(id="a", down=(), file="a.py", new=False, statements=(), fingerprints={})
    coverage = Coverage(revisions=executed, new=0, statements=0)
    engine.files["/tmp/proof.json"] = to_json(replace(PROOF, coverage=coverage, revisions=(revision,)))
    gate = await Slipway().gate(workspace)
    assert (gate.verdict, gate.answer().splitlines()[-1].partition(":")[0]) == (verdict, verdict)
    (shown,) = tracer.start_as_current_span.call_args_list
    assert shown.kwargs["attributes"]["test.case.result.status"] == "skipped"


async def test_several_majors_have_a_folder_of_reports_each(engine, workspace):
    engine.answers |= {"exitCode": 0}
    engine.files["/tmp/proof.json"] = to_json(PROOF)
    gate = await Slipway().gate(workspace, postgres=["17", "postgres:18"])
    await gate.report()
    assert uploaded(engine).keys() == {f"{folder}/{name}" for folder in ("17", "postgres-18") for name in PROOF_FILES}
    with pytest.raises(FunctionError, match="there is a proof for each major"):
        await gate.proof()


def test_reports_of_gate_and_rehearsal_have_names_of_their_own():
    assert not PROOF_FILES.keys() & REHEARSAL_FILES.keys()


async def test_a_text_that_a_function_returns_is_in_no_query_as_the_engine_logs_those(engine, workspace):
    engine.files["/tmp/sbom.json"] = '{"bomFormat": "CycloneDX", "components": [{"name": "canary"}]}'
    await Slipway().sbom(workspace)
    assert "canary" in uploaded(engine)["sbom.json"]
    assert not any("canary" in query for query in engine.queries)


async def test_a_call_that_ends_at_the_rehearsal_fails_when_an_act_does_and_its_report_is_exported(
    engine, workspace, monkeypatch
):
    act = Act(name="I", title="", happened="nothing", passed=False, seconds=1, how="here")
    record = Rehearsal(service="notes", revision="a", acts=(act,), traffic=None, postgres="18")
    monkeypatch.setattr("slipway.graph.stage.rehearse", AsyncMock(return_value=record))
    rehearsal = await Slipway().rehearse(workspace)
    assert uploaded(engine).keys() == REHEARSAL_FILES.keys()
    with pytest.raises(FunctionError, match="failed in I: nothing"):
        await rehearsal.sync()


async def test_the_refusal_of_a_gate_that_cannot_run_is_shown_unchanged(engine, workspace):
    engine.answers |= {"exitCode": 2}
    engine.files["/tmp/proof.json"] = to_json(Refusal(what="there is no alembic.ini", next_step="name it", exit_code=2))
    with pytest.raises(Exception, match=r"there is no alembic\.ini: name it"):
        await Slipway().gate(workspace)


def declares(engine, checks):
    engine.files["pyproject.toml"] += f"\n[tool.slipway.checks]\n{checks}\n"


JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="2.5">
<testcase classname="tests.test_a" name="test_one[a]" time="0.5" />
<testcase classname="tests.test_a" name="test_two" time="2.0"><failure message="assert 1 == 2">…</failure></testcase>
<testcase classname="tests.test_b" name="test_later" time="0.0"><skipped type="pytest.xfail" message="" /></testcase>
</testsuite></testsuites>
"""


async def test_the_services_own_tests_run_with_what_developers_need_beside_a_postgres_and_are_traced(
    engine, workspace, monkeypatch
):
    tracer = MagicMock()
    monkeypatch.setattr("slipway.graph.cases.get_tracer", lambda: tracer)
    declares(engine, 'tests = ["pytest", "-q"]\nsources = ["tests"]')
    engine.answers |= {"exitCode": 0, "combinedOutput": "2 passed\n"}
    engine.files["/tmp/slipway-tests.xml"] = JUNIT
    assert await Slipway().tests(workspace) == "2 passed\n"
    chain = next(chain for chain in engine.chains if chain[-1].name == "exitCode")
    install, run = (step.arguments["args"] for step in chain if step.name == "withExec")
    assert "--no-dev" not in install
    assert run == ["python", "/tmp/start.py", "--own=DATABASE_URL", "--config=alembic.ini", "--", "pytest", "-q"]
    told = {step.arguments["name"]: step.arguments["value"] for step in chain if step.name == "withEnvVariable"}
    assert told["DATABASE_URL"] == "postgresql://postgres:postgres@database:5432/postgres"
    assert any(step.name == "withServiceBinding" for step in chain)
    spans = [call.kwargs["attributes"] for call in tracer.start_span.call_args_list]
    assert [(span["test.suite.name"], span["test.case.result.status"]) for span in spans] == [
        ("tests.test_a", "pass"), ("tests.test_a", "fail"), ("tests.test_b", "skipped"),
    ]  # fmt: skip
    first, second, _ = (call.kwargs["start_time"] for call in tracer.start_span.call_args_list)
    assert second - first == 500_000_000


def test_of_more_tests_than_a_trace_takes_those_that_failed_are_shown():
    passing = '<testcase classname="tests.test_c" name="test_three" time="0.001" />'
    shown = cases.parse(JUNIT.replace("</testsuite>", passing * 1000 + "</testsuite>"))
    assert [case.name for case in shown] == ["test_two"]
    assert not cases.parse(JUNIT[:300])


async def test_tests_can_ask_for_an_empty_database(engine, workspace):
    declares(engine, 'tests = ["pytest"]\ndatabase = "empty"')
    engine.answers |= {"exitCode": 0, "combinedOutput": ""}
    engine.files["/tmp/slipway-tests.xml"] = JUNIT
    await Slipway().tests(workspace)
    *_, run = (step.arguments["args"] for step in engine.steps("withExec"))
    assert run == ["pytest"]


async def test_tools_of_the_checks_find_a_repository_without_an_environment_in_it(engine, workspace):
    declares(engine, 'lint = ["ruff", "check", "."]')
    engine.answers |= {"exitCode": 0, "combinedOutput": ""}
    await Slipway().lint(workspace)
    chain = next(chain for chain in engine.chains if chain[-1].name == "exitCode")
    told = {step.arguments["name"]: step.arguments["value"] for step in chain if step.name == "withEnvVariable"}
    assert told["UV_PROJECT_ENVIRONMENT"] == told["VIRTUAL_ENV"] == "/opt/venv"
    assert [step.arguments["path"] for step in chain if step.name == "withDirectory"] == ["/app", "/app/.git"]
    assert all(
        step.arguments.get("gitignore")
        for step in engine.steps("directory")
        if "app/**" in step.arguments.get("include", ())
    )


async def test_the_image_has_the_python_of_the_service(engine, workspace):
    engine.answers["entries"] = ["pyproject.toml", "uv.lock", ".python-version"]
    engine.files[".python-version"] = "3.12\n"
    await Slipway().image(workspace)
    pythons = {step.arguments["address"].partition("@")[0] for step in engine.steps("from")}
    assert pythons == {"python:3.12-slim", "ghcr.io/astral-sh/uv:0.10.3"}


@pytest.mark.parametrize(
    ("requires", "file", "version"),
    [
        ("", "", "3.14"),
        (">=3.11", "", "3.14"),
        (">=3.11,<3.13", "", "3.12"),
        ("~=3.11.4", "", "3.11"),
        ("~=3.10", "", "3.14"),
        ("==3.13.*", "", "3.13"),
        (">=3.10, !=3.14.*", "", "3.13"),
        ("<=3.12", "", "3.11"),
        (">=3.10", "# ours\n3.11.9\n", "3.11"),
        (">=3.10", "cpython-3.13", "3.13"),
    ],
)
def test_a_services_python_is_the_one_that_it_names_or_the_newest_that_it_allows(requires, file, version):
    assert bases.python_version(f'[project]\nrequires-python = "{requires}"\n', file) == version


@pytest.mark.parametrize(
    ("requires", "file", "said"),
    [
        (
            ">=3.15",
            "",
            r"^requires-python = '>=3\.15' allows none of 3\.14, .*: name an image .* \[tool\.slipway\.images\]",
        ),
        (
            "",
            "pypy3.11",
            r"^\.python-version names pypy3\.11, and slipway has images of 3\.14, .* as python in \[tool\.slipway\.images\]",
        ),
        (">=3.13", "3.12", r"^\.python-version names 3\.12, which requires-python = '>=3\.13' excludes: correct one"),
    ],
)
def test_a_python_without_an_image_is_refused_and_the_key_named(requires, file, said):
    with pytest.raises(BadInputError, match=said):
        bases.python_version(f'[project]\nrequires-python = "{requires}"\n', file)


def test_values_of_the_wrong_kind_are_refused_with_their_name():
    with pytest.raises(BadInputError, match=r"^requires-python in \[project\] is 3, not a text: write it as in"):
        bases.python_version("[project]\nrequires-python = 3\n", "")
    assert bases.python_version('project = "x"\n', "") == "3.14"
    for committed in (2**40, 10**17, -(10**12), -5):
        with pytest.raises(BadInputError, match=r"^--committed is -?\d+, which is no time of a commit: pass"):
            assert image.Label("c0ffee", committed).created
    for revision in ("a b", "HEAD~1", "-x", "a..b", "c0ffee\u202e"):
        with pytest.raises(
            BadInputError, match=r"^--revision is '.*', which git gives to no commit: pass `git rev-parse"
        ):
            image.Label(revision)


async def test_a_failed_check_shows_the_end_of_its_output_without_terminal_escapes(engine, workspace):
    declares(engine, 'lint = ["ruff", "check"]')
    engine.answers |= {"exitCode": 1, "combinedOutput": "first\n" * 99 + "\x1b[31mF401\x1b[0m unused\n"}
    with pytest.raises(FunctionError) as red:
        await Slipway().lint(workspace)
    assert str(red.value).startswith("ruff ended with the exit code 1; its last lines:\nfirst")
    assert str(red.value).endswith("\nF401 unused")
    assert len(str(red.value).splitlines()) == 41


async def test_a_check_whose_program_is_missing_names_the_package_to_add(engine, workspace):
    declares(engine, 'types = ["mypy"]')
    engine.answers |= {"exitCode": 1, "combinedOutput": 'exec: "mypy": executable file not found in $PATH'}
    with pytest.raises(FunctionError, match=r"there is no mypy where the types of .* run: add it to the group dev"):
        await Slipway().types(workspace)


async def test_a_check_that_the_settings_do_not_name_says_that_nothing_was_done(engine, workspace):
    assert await Slipway().types(workspace) == "nothing was done: the settings name no types in [tool.slipway.checks]\n"
    assert not engine.steps("withExec")


async def test_developers_of_a_service_with_requirements_have_theirs_in_a_file_of_its_own(engine, workspace):
    engine.answers |= {
        "entries": ["pyproject.toml", "requirements.txt", "requirements-dev.txt"],
        "exitCode": 0,
        "combinedOutput": "",
    }
    declares(engine, 'lint = ["ruff", "check"]')
    await Slipway().lint(workspace)
    chain = next(chain for chain in engine.chains if chain[-1].name == "exitCode")
    commands = [step.arguments["args"] for step in chain if step.name == "withExec"]
    assert commands[1] == [
        "uv",
        "pip",
        "install",
        "--requirement=requirements.txt",
        "--requirement=requirements-dev.txt",
    ]


async def test_publish_signs_in_last_with_a_secret_and_answers_a_digest_without_a_tag(engine, workspace, monkeypatch):
    monkeypatch.setattr("slipway.graph.publish.attach", AsyncMock())
    smoke = AsyncMock()
    monkeypatch.setattr("slipway.graph.running.smoke", smoke)
    engine.files["/tmp/sbom.json"] = "{}"
    digest = "sha256:" + "a" * 64
    engine.answers["publish"] = f"registry.example:5000/notes:1@{digest}"
    password = dagger.dag.set_secret("password", "canary-password")
    answer = await Slipway().publish(workspace, "registry.example:5000/notes:1", password=password)
    assert answer == f"registry.example:5000/notes@{digest}"
    smoke.assert_awaited_once()
    pushed = next(chain for chain in engine.chains if chain[-1].name == "publish")
    assert pushed[-2].name == "withRegistryAuth"
    assert engine.chain_of(pushed[-2].arguments["secret"])[0].name == "setSecret"
    assert not any("canary-password" in query for query in engine.queries if "setSecret" not in query)


async def test_the_first_statements_of_a_server_are_executed_from_a_file_where_it_is_bound(engine):
    server = postgres.service("postgres:18", "a test")
    await postgres.executed("postgres:18", "database-notes", server, ("CREATE ROLE one;", "CREATE ROLE two;"))
    chain = next(chain for chain in engine.chains if chain[-1].name == "sync")
    arguments = {step.name: step.arguments for step in chain}
    assert arguments["withServiceBinding"]["alias"] == "database-notes"
    assert arguments["withNewFile"]["contents"] == "CREATE ROLE one;\nCREATE ROLE two;"
    assert "@database-notes:5432/template1" in arguments["withExec"]["args"][-1]


CREDENTIALS = '{"Version": 1, "AccessKeyId": "canary-key", "SecretAccessKey": "canary-secret"}'


async def test_credentials_reach_aws_and_no_query(engine, workspace):
    engine.answers |= {"plaintext": CREDENTIALS}
    secret = dagger.dag.set_secret("key", "unused")
    environment = await Slipway().environment("staging", credentials=secret)
    assert isinstance(environment, Environment)
    verbs = await Call(environment, workspace).environment("staging")
    assert verbs.keys is not None
    assert verbs.keys.access_key_id == "canary-key"
    assert "canary" not in repr(verbs)
    assert not any("canary" in query for query in engine.queries)


async def test_an_environment_without_credentials_names_the_flag(engine, workspace):
    environment = await Slipway().environment("staging")
    with pytest.raises(FunctionError, match='there are no AWS credentials: add --credentials "cmd://aws configure'):
        await environment.status(workspace)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/notes:1", "takes no image without a login: add --credentials"),
        ("ghcr.io/me/notes:1", "ghcr.io is no registry of AWS: sign in with --username and --password"),
    ],
)
async def test_a_login_that_does_not_fit_the_registry_is_refused_before_anything_is_built(
    engine, workspace, address, said
):
    engine.answers |= {"plaintext": CREDENTIALS}
    credentials = dagger.dag.set_secret("key", "unused") if "ghcr" in address else None
    with pytest.raises(FunctionError, match=said):
        await Slipway().publish(workspace, address, credentials=credentials)
    assert not engine.steps("publish")


@pytest.mark.parametrize("address", ["nowhere", "notes:1", "team/notes:1", "ghcr.io", "ghcr.io/me/notes@sha256:1", "https://ghcr.io/me/notes:1", ""])  # fmt: skip
async def test_an_address_that_names_no_registry_with_a_repository_is_refused_before_anything_is_read(
    engine, workspace, address
):
    with pytest.raises(
        FunctionError, match=f"^--address is {re.escape(repr(address))}, which is no registry/repository:tag: name"
    ):
        await Slipway().publish(workspace, address)
    assert not engine.queries


@pytest.mark.parametrize("address", ["localhost/notes", "localhost:5000/notes:1", "registry:5000/a/b-c_d.e:V1.0", "ghcr.io/me/notes"])  # fmt: skip
def test_an_address_may_be_of_any_registry(address):
    check_address(address)


@pytest.fixture
async def account():
    async with opened() as account:
        ledger = {"repositoryName": "notes-ledger-staging", "imageTagMutability": "IMMUTABLE"}
        await account.ask("ecr", "create_repository", **ledger)
        yield account


@pytest.fixture
async def staging(engine, account):
    """An environment in an empty account at an address that the engine knows."""
    engine.answers["endpoint"] = account.cloud.url
    return await Slipway().environment("staging", endpoint=dagger.dag.container().as_service())


async def test_a_plan_is_a_folder_for_people_and_for_deploy_and_is_printed(engine, workspace, account, staging, capsys):
    image = f"{URI}@{await account.image()}"
    await (await staging.plan(workspace, image=[image])).sync()
    files = uploaded(engine)
    assert set(files) == {"plan.json", "plan.txt", "summary.md"}
    assert from_json(Plan, files["plan.json"], "plan.json").image == image
    assert files["plan.txt"].startswith("create notes-staging in staging\n  image: none -> ")
    assert capsys.readouterr().out == files["plan.txt"]


async def test_an_image_is_planned_by_the_address_of_the_simulated_registry_that_publish_prints(
    engine, workspace, staging
):
    digest = f"sha256:{'1' * 64}"
    await staging.plan(workspace, image=[f"127.0.0.1:5056/notes@{digest}"])
    assert from_json(Plan, uploaded(engine)["plan.json"], "plan.json").image == f"{URI}@{digest}"
    with pytest.raises(
        FunctionError, match=r"the image is in 127\.0\.0\.1:5056/bills, and this environment deploys from"
    ):
        await staging.plan(workspace, image=[f"127.0.0.1:5056/bills@{digest}"])


async def test_a_push_to_a_simulated_account_signs_in_where_the_environments_are(
    engine, workspace, account, monkeypatch
):
    monkeypatch.setattr("slipway.graph.publish.attach", AsyncMock())
    monkeypatch.setattr("slipway.graph.running.smoke", AsyncMock())
    engine.files["/tmp/sbom.json"] = "{}"
    engine.answers |= {
        "plaintext": CREDENTIALS,
        "endpoint": account.cloud.url,
        "publish": f"127.0.0.1:5056/notes:1@sha256:{'1' * 64}",
    }
    registry, credentials = dagger.dag.container().as_service(), dagger.dag.set_secret("key", "unused")
    await Slipway().publish(workspace, "127.0.0.1:5056/notes:1", registry=registry, credentials=credentials)
    (login,) = (step for step in engine.steps("setSecret") if step.arguments["name"] == "ecr-password")
    assert login.arguments["plaintext"] == LOGIN.password  # of the region that has the environments' repository


async def test_an_outdated_plan_is_not_deployed(engine, workspace, staging, account):
    image = f"{URI}@{await account.image()}"
    engine.files["plan.json"] = to_json(
        Plan(
            environment="staging",
            service="notes-staging",
            image=image,
            action=Action.CREATE,
            changes=(),
            fingerprint="f00d",
        )
    )
    with pytest.raises(FunctionError, match="the live state of notes-staging has changed since the plan was made"):
        await staging.deploy(workspace, plan=dagger.dag.directory().file("plan.json"))
    assert "CreateService" not in account.cloud.requests


async def test_a_plan_of_another_environment_is_not_deployed(engine, workspace, staging):
    engine.files["plan.json"] = to_json(
        Plan(
            environment="production",
            service="notes-staging",
            image=IMAGE,
            action=Action.CREATE,
            changes=(),
            fingerprint="f00d",
        )
    )
    with pytest.raises(FunctionError, match="the plan is for notes-staging in production"):
        await staging.deploy(workspace, plan=dagger.dag.directory().file("plan.json"))


async def test_a_file_that_is_no_plan_is_not_deployed(engine, workspace, staging):
    engine.files["plan.txt"] = "create notes-staging in staging\n"
    with pytest.raises(FunctionError, match="the plan is not JSON"):
        await staging.deploy(workspace, plan=dagger.dag.directory().file("plan.txt"))


@pytest.mark.parametrize("both", [False, True])
async def test_a_deployment_is_of_an_image_or_of_a_plan(workspace, staging, both):
    given = {"image": IMAGE, "plan": dagger.dag.directory().file("plan.json")} if both else {}
    with pytest.raises(FunctionError, match=r"^deploy needs an image or a plan: pass --image or --plan$"):
        await staging.deploy(workspace, **given)


async def test_every_query_is_graphql(engine, workspace):
    await (await Slipway().image(workspace)).sync()
    assert all(parse(query) for query in engine.queries)


async def test_an_error_is_shown_without_the_exception_groups_that_wrap_it():
    @one_sentence
    async def command():
        async with anyio.create_task_group(), anyio.create_task_group():
            raise BadInputError("the lock is not there", "run `uv lock`")

    with pytest.raises(FunctionError, match=r"^the lock is not there: run `uv lock`$"):
        await command()


async def test_an_unexpected_error_is_raised_unchanged():
    @one_sentence
    async def command():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await command()
