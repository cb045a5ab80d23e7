"""The image of a service's own Dockerfile, build secrets and the build step, as an engine is asked for them."""

import json

import dagger
import pytest

from slipway.main import FunctionError, Slipway
from tests.graph.conftest import PYPROJECT
from tests.graph.test_queries import PROOF, declares, to_json

pytestmark = pytest.mark.slow

DOCKERFILE = """\
FROM python:3.14-slim AS base
ARG VERSION
RUN --mount=type=secret,id=npm-token,required=true make
FROM base AS web
USER app
CMD ["uvicorn", "app.main:app"]
"""
IMAGES = """
[tool.slipway.images]
dockerfile = "Dockerfile"
target = "web"
arguments = { VERSION = "7" }
secrets = ["npm-token"]
"""
SEEN = {"Python": "3.14.0", "alembic": "1.17.0", "SQLAlchemy": "2.0.44", "folder": "/srv", "config": True, "size": 4e8}


@pytest.fixture
def own(engine):
    """A service with a Dockerfile that fits, and no lock."""
    engine.files |= {"pyproject.toml": PYPROJECT + IMAGES, "Dockerfile": DOCKERFILE}
    engine.answers |= {
        "entries": ["Dockerfile", "pyproject.toml"],
        "exitCode": 0,
        "stdout": json.dumps(SEEN),
        "user": "app",
        "platform": "linux/amd64",
        "entrypoint": [],
        "defaultArgs": ["uvicorn", "app.main:app"],
        "plaintext": "npm-token=canary-token\nOTHER=canary-other\n",
    }
    return engine


@pytest.fixture
def service():
    return Slipway(build_secrets=dagger.dag.set_secret("given", "unused"))


async def test_a_services_own_dockerfile_is_built_with_target_arguments_and_secrets_and_labelled(
    own, workspace, service, capsys
):
    await service.image(workspace, revision="abc")
    (built, *_) = [step.arguments for step in own.steps("dockerBuild")]
    assert (built["target"], built["platform"]) == ("web", "linux/amd64")
    assert built["buildArgs"] == [{"name": "VERSION", "value": "7"}]
    (secret,) = (own.chain_of(each)[-2].arguments for each in built["secrets"])
    assert secret == {"name": "npm-token", "plaintext": "canary-token"}
    shipped = own.chains[-1]
    after = [step for step in shipped if step.name in {"withoutMount", "withUser", "withDefaultArgs", "withLabel"}]
    assert [step.name for step in after] == ["withoutMount", "withLabel", "withLabel", "withLabel"]
    assert after[0].arguments["path"] == "/run/secrets/npm-token"  # the engine leaves it mounted
    assert "400 MB, user app, Python 3.14.0" in capsys.readouterr().out
    assert not any("canary" in query for query in own.queries if "setSecret" not in query)


async def test_a_dockerfile_without_a_command_starts_that_of_the_settings(own, workspace, service):
    own.answers["defaultArgs"] = ["python3"]
    await service.image(workspace)
    assert own.steps("withDefaultArgs")[-1].arguments["args"] == ["uvicorn", "app.main:app"]


async def test_everything_that_does_not_fit_in_a_dockerfile_is_listed_before_it_is_built(own, workspace):
    own.files["Dockerfile"] = DOCKERFILE.replace("ARG VERSION", "ARG OTHER=1").replace("AS web", "AS api")
    with pytest.raises(FunctionError) as red:
        await Slipway().image(workspace)
    assert str(red.value) == (
        "Dockerfile has no stage web: name one of base, api as target in [tool.slipway.images]; "
        "(2) Dockerfile has no ARG VERSION: add it to the stage that reads it, or remove it from [tool.slipway.images]; "
        "(3) the build secret npm-token has no value: pass a line npm-token=… with --build-secrets, "
        "of a file (file://FILE) or of a command's output (cmd://COMMAND)"
    )
    assert not own.steps("dockerBuild")


async def test_a_secret_that_a_dockerfile_requires_must_be_listed(own, workspace):
    own.files["pyproject.toml"] = PYPROJECT + IMAGES.replace('secrets = ["npm-token"]', "")
    with pytest.raises(FunctionError, match=r"^Dockerfile line 3 needs the secret npm-token: add it to secrets in"):
        await Slipway().image(workspace)


async def test_a_dockerfile_that_is_elsewhere_is_named(own, workspace, service):
    own.answers |= {"exists": False, "glob": ["docker/Dockerfile"]}
    with pytest.raises(
        FunctionError, match=r"^the service's folder has no Dockerfile: set dockerfile in .* to 'docker/Dockerfile'$"
    ):
        await service.image(workspace)


async def test_everything_that_does_not_fit_in_an_image_is_listed_and_the_gate_minds_neither_root_nor_platform(
    own, workspace, service
):
    own.answers |= {"user": "0:0", "platform": "linux/arm64"}
    own.answers["stdout"] = json.dumps(SEEN | {"alembic": "1.7.7", "config": False})
    with pytest.raises(FunctionError) as red:
        await service.image(workspace)
    assert [what.partition(": ")[0] for what in str(red.value).split("; (")] == [
        "the image of Dockerfile has alembic 1.7.7",
        "2) the image of Dockerfile has no alembic.ini in /srv, its working directory",
        "3) the image of Dockerfile runs as root",
        "4) the image of Dockerfile is for linux/arm64, and linux/amd64 was asked for",
    ]
    own.answers["stdout"] = json.dumps(SEEN)
    own.files["/tmp/proof.json"] = to_json(PROOF)
    assert (await service.gate(workspace)).verdict == "passed"
    chain = next(chain for chain in own.chains if any("slipway.gate" in str(step.arguments) for step in chain))
    assert [step.name for step in chain].index("dockerBuild") < len(chain)
    assert [step.arguments["args"][0] for step in chain if step.name == "withExec"] == ["python"]


async def test_an_image_whose_python_is_not_on_the_path_is_refused_with_the_line_that_mends_it(own, workspace, service):
    own.answers["exitCode"] = lambda chain: 1 if chain[-2].name == "withExec" else 0
    with pytest.raises(FunctionError, match=r'no Python that starts as `python`: .* ENV PATH="/app/.venv/bin:'):
        await service.gate(workspace)


async def test_credentials_of_a_private_index_are_seen_by_uv_and_by_nothing_after_it(engine, workspace):
    declared = '\n[tool.slipway.images]\nsecrets = ["UV_INDEX_OURS_PASSWORD", "netrc"]\n'
    engine.files["pyproject.toml"] = PYPROJECT + declared
    values = {"UV_INDEX_OURS_PASSWORD": "canary-word", "netrc": "machine a\nlogin b\n", "UNLISTED": "canary"}
    engine.answers["plaintext"] = json.dumps(values)
    await Slipway(build_secrets=dagger.dag.set_secret("given", "unused")).image(workspace)
    chain = next(chain for chain in engine.chains if any(step.name == "withSecretVariable" for step in chain))
    names = [step.name for step in chain]
    run = names.index("withExec")
    assert "withMountedSecret" in names[:run]
    assert names[run + 1 : run + 4] == ["withoutSecretVariable", "withoutMount", "withoutEnvVariable"]
    assert {step.arguments["name"] for step in engine.steps("withSecretVariable")} == {"UV_INDEX_OURS_PASSWORD"}
    with pytest.raises(
        FunctionError, match=r"^the build secret UV_INDEX_OURS_PASSWORD has no value: .*; \(2\) the bui"
    ):
        await Slipway().image(workspace)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("canary", "line 1 of --build-secrets is not NAME=value"),
        ("A=1\n\nKEY=-----BEGIN\ncanary\n", "line 4 of --build-secrets is not NAME=value"),
        ("not a name=canary", "line 1 of --build-secrets is not NAME=value"),
        ('{"A": ["canary"]}', "--build-secrets has a value without a name, or one that is no text"),
        ("\n", "--build-secrets is empty"),
    ],
)
async def test_build_secrets_that_name_nothing_are_refused_and_not_quoted(own, workspace, service, text, sentence):
    own.answers["plaintext"] = text
    with pytest.raises(FunctionError) as red:
        await service.image(workspace)
    assert str(red.value) == f"{sentence}: pass lines NAME=value, or a JSON object, whose values may have several lines"


async def test_checks_of_a_service_with_a_dockerfile_need_a_lock(own, workspace, service):
    declares(own, 'lint = ["ruff", "check"]')
    with pytest.raises(FunctionError, match="there is no lock with the development dependencies: run `uv lock`"):
        await service.lint(workspace)


STEP = """
[tool.slipway.build]
image = "node:24"
sources = ["web"]
commands = [["npm", "ci"], ["npm", "run", "build; id"]]
results = ["web/dist", "web/other"]
"""


async def test_only_the_results_of_the_build_step_are_shipped(engine, workspace):
    engine.files["pyproject.toml"] = PYPROJECT + STEP
    engine.answers["exists"] = True
    await Slipway().image(workspace)
    (chain,) = (
        chain for chain in engine.chains if any("npm" in str(step) for step in chain) and chain[-1].name == "sync"
    )
    assert [step.arguments["args"] for step in chain if step.name == "withExec"] == [
        ["npm", "ci"],
        ["npm", "run", "build; id"],
    ]
    added = [step.arguments["path"] for chain in engine.ids.values() for step in chain if step.name == "withDirectory"]
    assert {"web/dist", "web/other"} <= set(added)


async def test_everything_that_the_build_step_has_not_written_is_listed(engine, workspace):
    engine.files["pyproject.toml"] = PYPROJECT + STEP
    engine.answers["exists"] = lambda chain: not any(step.name == "withExec" for step in chain)
    with pytest.raises(
        FunctionError, match=r"^the build step wrote no web/dist: .*; \(2\) the build step wrote no web/other"
    ):
        await Slipway().image(workspace)
