"""Secret values in every place where a caller may put one, then a search for them in all output.

They say kanarie because a package of the base image contains the flag of the canary islands.
"""

import tarfile

import httpx
import pytest

from slipway.records.form import from_json
from slipway.records.image import Reference
from slipway.records.rehearsal import Rehearsal
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


def spilled(folder):
    """Yield every output file, archives unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()


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
    with tarfile.open(out / "image.tar") as image:
        image.extractall(out / "image", filter="data")
    for blob in (out / "image").rglob("*"):
        if blob.is_file() and tarfile.is_tarfile(blob):
            with tarfile.open(blob) as layer:
                layer.extractall(blob.with_suffix(".layer"), filter="tar")
    spilt = {name for name, content in spilled(out) if b"kanarie" in content}
    assert spilt == {"pyproject.toml"}  # plain variables are public there, and it is shipped


def every_act_passed(report):
    rehearsal = from_json(Rehearsal, (report / "rehearsal.json").read_text(), "the report")
    assert [act.name for act in rehearsal.acts] == ["before", "I", "II", "III", "clients"]
    assert all(act.passed for act in rehearsal.acts)
    assert {act.how.partition(",")[0] for act in rehearsal.acts} >= {"a container from an image"}
    assert rehearsal.traffic.failed == 0
    assert [act.platform_seconds for act in rehearsal.acts[:2]] == [279, 438]  # as without containers


def published(name, registry):
    """The image is named by digest, and a bill of materials refers to it."""
    image, login = Reference.parse(name), (LOGIN.user, LOGIN.password)
    listed = httpx.get(f"http://{registry}/v2/notes/referrers/{image.digest}", auth=login).json()["manifests"]
    assert [manifest["artifactType"] for manifest in listed] == ["application/vnd.cyclonedx+json"]
