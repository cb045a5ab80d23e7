import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slipway.records.form import from_json
from slipway.records.rehearsal import Rehearsal
from tests.rehearsal.conftest import INDEX

pytestmark = pytest.mark.slow


def slipway(*arguments):
    command = [sys.executable, "-m", "slipway.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_act_goes_as_expected_and_no_request_fails(checkout, tmp_path):
    done = slipway("rehearse", "--source", str(checkout.folder), "--report", str(tmp_path / "report"))
    assert done.returncode == 0, done.stdout + done.stderr
    rehearsal = from_json(Rehearsal, (tmp_path / "report/rehearsal.json").read_text(), "the report")
    acts = {act.name: act for act in rehearsal.acts}
    assert list(acts) == ["before", "I", "II", "III", "clients"]
    assert all(act.passed for act in rehearsal.acts)
    assert [name for name, act in acts.items() if act.expects_failure] == ["II", "III"]
    # The platform's own time is the same on every machine, however busy it is.
    assert [acts[name].platform_seconds for name in ("before", "I", "III")] == [279, 438, 429]
    assert rehearsal.traffic.failed == 0
    assert rehearsal.traffic.requests >= 3 * 2 * 4  # in each of three acts two of each client
    refused = "\n".join(acts["II"].details)
    assert "index_notes_by_title.py:10 L01" in refused
    assert "holds SHARE on public.notes" in refused
    assert "postgresql_concurrently=True" in refused
    assert acts["III"].happened.startswith("ROLLED_BACK")
    assert "CACHE_URL" in "\n".join(acts["III"].details)
    assert "would exit 1" in acts["III"].happened
    page = Titles()
    page.feed((tmp_path / "report/rehearsal.html").read_text())
    assert len(page.seen) == 5
    check_progress_in_a_pipe(done, tmp_path / "report")


def check_progress_in_a_pipe(done, report):
    """It is plain lines, and no record has a password in it."""
    assert "\x1b" not in done.stderr + done.stdout
    assert "\r" not in done.stderr
    assert "[AppRunner] Service status is set to RUNNING." in done.stderr
    texts = [done.stdout, done.stderr, *(file.read_text() for file in report.iterdir())]
    assert not any("postgresql://" in text for text in texts)


class Titles(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        if tag == "h2":
            self.seen.append(tag)


def rehearse(service, *options):
    return slipway("rehearse", "--quiet", "--source", str(service.folder), *settings_of(service), *options)


def settings_of(service):
    return "--settings", str(service.folder / "settings.toml")


def test_uncommitted_changes_are_rehearsed_and_a_release_that_does_not_import_is_refused_by_the_preflight(small):
    (small.folder / "serve.py").write_text("import a_module_that_nobody_installed\n")
    before = snapshot(small.folder)
    done = rehearse(small)
    assert done.returncode == 1
    assert "imports a_module_that_nobody_installed, which is not installed" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert snapshot(small.folder) == before, "the checkout is only read"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    }


def test_a_checkout_with_refused_migrations_does_not_reach_staging(small):
    small.replace("migrations/versions/bbb.py", INDEX)
    done = rehearse(small)
    assert done.returncode == 1
    assert "NO  I " in done.stdout


@pytest.mark.parametrize("lines", [["I:"], ["I:", "migrations proven"]], ids=["a proof", "a deployment with clients"])
def test_an_interruption_leaves_nothing_behind(small, tmp_path, lines):
    marked = tmp_path / "tmp"
    marked.mkdir()
    source = ["--source", str(small.folder), *settings_of(small)]
    command = [sys.executable, "-m", "slipway.cli", "rehearse", *source]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(marked)},
        preexec_fn=as_on_a_terminal,  # noqa: PLW1509 -- this process has no other threads
    )
    for awaited in lines:
        assert any(awaited in line for line in process.stderr)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.strip().splitlines()[-1] == "slipway: interrupted; everything it started on this machine is stopped"
    assert "Traceback" not in said
    assert processes_with(f"TMPDIR={marked}") == []
    assert list(marked.iterdir()) == []
    assert list(Path("/dev/shm").glob(f"slipway-postgres-{process.pid}-*")) == []


def as_on_a_terminal():
    """Receive SIGINT although the tests may run as a background job, which ignores it and passes that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def processes_with(variable: str) -> list[str]:
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in environ.read_bytes().split(b"\0"):
                found.append((environ.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found
