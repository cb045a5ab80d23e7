"""Secret values in every place where a caller may put one, then a search for them in all output.

They say kanarie because a package of the base image contains the flag of the canary islands.
"""

import subprocess
import tarfile

import httpx
import pytest

from slipway.graph.bases import python, uv
from slipway.records.form import from_json
from slipway.records.image import Reference
from slipway.records.rehearsal import Rehearsal
from slipway.settings import Images
from slipway.simulator.cloud import LOGIN

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "kanarie-key",
    "AWS_SECRET_ACCESS_KEY": "kanarie-secret",
    "AWS_SESSION_TOKEN": "kanarie-token",
}
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def careless(elsewhere):
    """A repository with secrets in every place."""
    (elsewhere.folder / ".env").write_text("API_KEY=kanarie-env-file\n")
    (elsewhere.folder / ".gitignore").write_text(".env\n")
    pyproject = elsewhere.folder / "pyproject.toml"
    text = pyproject.read_text().replace(
        "secrets = { DATABASE_URL", 'variables = { API_KEY = "kanarie-variable" }\nsecrets = { DATABASE_URL'
    )
    pyproject.write_text(text.replace('sources = ["app", "migrations", "alembic.ini"]\n', ""))
    config = elsewhere.folder / ".git/config"
    config.write_text(
        f'{config.read_text()}[remote "origin"]\n\turl = https://kanarie-git-token@example.org/notes.git\n'
    )
    return elsewhere


def unpack(tar):
    """Unpack an image and its layers beside it."""
    image = tar.with_suffix("")
    extract(tar, image)
    for blob in image.rglob("*"):
        if blob.is_file() and tarfile.is_tarfile(blob):
            extract(blob, blob.with_suffix(".layer"))


def extract(tar, into):
    """Extract with tar, since Python's filters are newer than 3.11.0, which the tests may run on."""
    into.mkdir()
    subprocess.run(["tar", "-xf", tar, "-C", into, "--no-same-owner"], check=True)


def spilled(folder):
    """Return the names of the files that contain a secret."""
    return {path.name for path in folder.rglob("*") if path.is_file() and b"kanarie" in path.read_bytes()}


def test_the_rehearsal_passes_and_an_image_is_published_and_no_secret_gets_into_output_layers_or_reports(
    careless, ecr, tmp_path
):
    out = tmp_path / "out"
    credentials = ["--credentials", "cmd://env | grep ^AWS_"]
    calls = [
        careless.call("image", "as-tarball", "-o", str(out / "image.tar"), **CREDENTIALS),
        careless.call("gate", "report", "-o", str(out / "gate"), **CREDENTIALS),
        careless.call("rehearse", "report", "-o", str(out / "rehearsal"), **CREDENTIALS),
        careless.call("publish", f"--address={ecr}/notes:1", f"--registry=tcp://{ecr}", *credentials, **CREDENTIALS),
        careless.call(
            "environment", "--name=staging", f"--endpoint=tcp://{ecr}", *credentials,
            "plan", f"--image=notes@{DIGEST}", "-o", str(out / "plan"), **CREDENTIALS,
        ),
    ]  # fmt: skip
    for done in calls:
        assert done.returncode == 0, done.stderr
    every_act_passed(out / "rehearsal")
    published(calls[3].stdout.strip(), ecr)
    said = "".join(done.stdout + done.stderr for done in calls)
    assert "kanarie" not in said
    # The rehearsal uses the word itself: "simulated App Runner".
    assert not any(LOGIN.password in done.stdout + done.stderr for done in calls[3:])
    unpack(out / "image.tar")
    assert spilled(out) == {"pyproject.toml"}  # plain variables are public there, and it is shipped


def every_act_passed(report):
    rehearsal = from_json(Rehearsal, (report / "rehearsal.json").read_text(), "the report")
    assert [act.name for act in rehearsal.acts] == ["start", "before", "I", "II", "III", "clients"]
    assert all(act.passed for act in rehearsal.acts)
    assert {act.how.partition(",")[0] for act in rehearsal.acts} >= {"a container from an image"}
    assert rehearsal.traffic.failed == 0
    assert [act.platform_seconds for act in rehearsal.acts[1:3]] == [276.25, 433.75]  # as without containers


def published(name, registry):
    """The image is named by digest, and a bill of materials refers to it."""
    image, login = Reference.parse(name), (LOGIN.user, LOGIN.password)
    listed = httpx.get(f"http://{registry}/v2/notes/referrers/{image.digest}", auth=login).json()["manifests"]
    assert [manifest["artifactType"] for manifest in listed] == ["application/vnd.cyclonedx+json"]


DOCKERFILE = """
FROM {uv} AS uv

FROM {python} AS dependencies
COPY --from=uv /uv /usr/local/bin/uv
WORKDIR /app
COPY pyproject.toml uv.lock ./
ENV UV_SYSTEM_CERTS=1
RUN --mount=type=secret,id=index-token,required=true cat /run/secrets/index-token && uv sync --locked --no-dev

FROM {python} AS web
ARG EDITION
RUN test "$EDITION" = blue && test ! -e /run/secrets/index-token
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH
COPY --from=dependencies /app/.venv .venv
COPY . .
USER 65532
CMD ["uvicorn", "--factory", "app.main:from_environment", "--host", "0.0.0.0", "--port", "8000"]

FROM web AS debug
USER root
"""
IMAGES = """
[tool.slipway.images]
dockerfile = "Dockerfile"
target = "web"
arguments = { EDITION = "blue" }
secrets = ["index-token"]
"""


def test_a_dockerfile_of_the_services_own_is_built_and_its_history_proven_in_it_and_its_secret_is_nowhere(elsewhere):
    images = Images()
    bases = {
        "python": elsewhere.images.get("--python-image", python(images, "3.14")),
        "uv": elsewhere.images.get("--uv-image", uv(images)),
    }
    (elsewhere.folder / "Dockerfile").write_text(DOCKERFILE.format(**bases))
    pyproject = elsewhere.folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + IMAGES)
    secrets, token = "--build-secrets=cmd://echo index-token=$TOKEN", {"TOKEN": "kanarie-token"}
    out = elsewhere.folder / "out"
    gate = elsewhere.call(secrets, "gate", "verdict", **token)
    assert gate.stdout == "passed", gate.stderr
    image = elsewhere.call(secrets, "image", "as-tarball", "-o", str(out / "image.tar"), **token)
    assert image.returncode == 0, image.stderr
    unpack(out / "image.tar")
    assert not spilled(out)
    assert "kanarie" not in f"{gate.stdout}{gate.stderr}{image.stdout}{image.stderr}"
