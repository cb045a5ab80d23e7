import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci/dagger"

pytestmark = [
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the script is for Linux x86_64"
    ),
    pytest.mark.skipif(
        not all(map(shutil.which, ("cp", "sha256sum", "tar"))), reason="the script needs coreutils and tar"
    ),
]


@pytest.fixture
def archive(tmp_path):
    """Make an archive with a `dagger` that prints its arguments."""
    program = b'#!/bin/sh\nprintf "ran"\nprintf " <%s>" "$@"\n'
    member = tarfile.TarInfo("dagger")
    member.size, member.mode = len(program), 0o755
    with tarfile.open(tmp_path / "release.tar.gz", "w:gz") as tar:
        tar.addfile(member, io.BytesIO(program))
    return tmp_path / "release.tar.gz"


@pytest.fixture
def run(tmp_path, archive):
    """Run the script with a `curl` that returns the archive; `sha256` replaces the real checksum."""
    curl = tmp_path / "bin/curl"
    curl.parent.mkdir()
    curl.write_text(f"#!/bin/sh\necho fetched >> {tmp_path}/log\ncp {archive} archive\n")
    curl.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{curl.parent}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    def started(*arguments, sha256=None):
        script = tmp_path / "dagger"
        text = SCRIPT.read_text()
        script.write_text(re.sub(r"^sha256=\w+$", f"sha256={sha256}", text, flags=re.MULTILINE) if sha256 else text)
        done = subprocess.run(
            ["bash", script, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        return done, (tmp_path / "log").read_text().count("fetched")

    return started


def test_an_archive_with_another_checksum_is_not_run(run, tmp_path):
    done, _ = run("call", "gate")
    assert done.returncode != 0
    assert "ran" not in done.stdout
    assert "FAILED" in done.stdout + done.stderr
    assert list((tmp_path / "cache").rglob("dagger")) == []
    assert list((tmp_path / "cache").rglob("archive")) == []


def test_the_archive_is_fetched_once_and_run_with_the_arguments(run, archive):
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert run("call", "gate", sha256=sha256)[0].stdout == "ran <call> <gate>"
    done, fetched = run("call", "a b", sha256=sha256)
    assert (done.stdout, fetched) == ("ran <call> <a b>", 1)


def test_the_script_has_the_engine_version_of_the_module():
    (version,) = re.findall(r"^version=(\S+)$", SCRIPT.read_text(), re.MULTILINE)
    assert version == json.loads((ROOT / "dagger.json").read_text())["engineVersion"]
