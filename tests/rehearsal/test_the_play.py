import os
import signal
import subprocess
import sys
import time
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slipway.cli import fail, perform
from slipway.commands.grammar import parse
from slipway.local.prove import prove
from slipway.records.form import from_json
from slipway.records.proof import Layer
from slipway.records.rehearsal import Rehearsal
from tests.rehearsal.conftest import INDEX
from tests.release.direct import share_clients

pytestmark = pytest.mark.slow


@pytest.fixture
def quick(monkeypatch):
    """Plays in this process: no layers that no act shows, and clients of AWS that are made once."""
    monkeypatch.setattr("slipway.rehearsal.local.prove", partial(prove, layers=(Layer.ALWAYS, Layer.TRACE)))
    share_clients(monkeypatch)


async def test_every_act_goes_as_expected_and_no_request_fails(quick, checkout, tmp_path, capsys):
    flags = parse(["rehearse", "--source", str(checkout.folder), "--report", str(tmp_path / "report")])
    code = await perform(flags)
    done = capsys.readouterr()
    assert code == 0, done.out + done.err
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
    assert "deploy exits 1" in acts["III"].happened
    page = Titles()
    page.feed((tmp_path / "report/rehearsal.html").read_text())
    assert len(page.seen) == 5
    check_progress_without_a_terminal(done, tmp_path / "report")


def check_progress_without_a_terminal(done, report):
    """It is plain lines, and no record has a password in it."""
    assert "\x1b" not in done.err + done.out
    assert "\r" not in done.err
    assert "[AppRunner] Service status is set to RUNNING." in done.err
    texts = [done.out, done.err, *(file.read_text() for file in report.iterdir())]
    assert not any("postgresql://" in text for text in texts)


class Titles(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        if tag == "h2":
            self.seen.append(tag)


async def rehearse(service):
    """Play in this process; return the exit code."""
    flags = parse(["rehearse", "--quiet", "--source", str(service.folder), *settings_of(service)])
    try:
        return await perform(flags)
    except Exception as error:  # noqa: BLE001 -- as the command does
        return fail(flags, error)


def settings_of(service):
    return "--settings", str(service.folder / "settings.toml")


async def test_uncommitted_changes_are_rehearsed_and_a_release_that_does_not_import_is_refused_by_the_preflight(
    quick, small, capsys
):
    (small.folder / "serve.py").write_text("import a_module_that_nobody_installed\n")
    before = snapshot(small.folder)
    assert await rehearse(small) == 1
    said = capsys.readouterr().err
    assert "imports a_module_that_nobody_installed, which is not installed" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert snapshot(small.folder) == before, "the checkout is only read"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    }


async def test_a_checkout_with_refused_migrations_does_not_reach_staging(quick, small, capsys):
    small.replace("migrations/versions/bbb.py", INDEX)
    assert await rehearse(small) == 1
    assert "NO  I " in capsys.readouterr().out


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
