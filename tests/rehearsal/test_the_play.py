import html
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slipway.cli import fail, perform
from slipway.commands.grammar import parse
from slipway.local.prove import prove
from slipway.records.form import from_json
from slipway.records.proof import Layer
from slipway.records.rehearsal import Act, Rehearsal
from tests.rehearsal.conftest import INDEX
from tests.release.direct import share_clients

pytestmark = pytest.mark.slow


@pytest.fixture
def quick(monkeypatch):
    """Plays in this process: no layers that no act shows, clients of AWS that are made once, and fewer looks at the platform."""
    monkeypatch.setattr("slipway.rehearsal.local.prove", partial(prove, layers=(Layer.ALWAYS, Layer.TRACE)))
    monkeypatch.setattr("slipway.release.targets.ecs_express.following.POLL_SECONDS", 10.0)
    monkeypatch.setattr("slipway.release.move.shift.WATCH_SECONDS", 60.0)
    monkeypatch.setattr("slipway.simulator.ecs.express.deploying.breaker_threshold", lambda _desired: 1)
    share_clients(monkeypatch)


@pytest.fixture
def without_act_0(quick, monkeypatch):
    """Leaves out the act that has an account of its own, and that one test plays."""

    async def left_out(_scene):
        return None

    monkeypatch.setattr("slipway.rehearsal.play.from_nothing", left_out)


@dataclass(frozen=True)
class Played:
    """A rehearsal of the reference service, and everything that was written and printed."""

    rehearsal: Rehearsal
    code: int
    printed: str
    page: str

    @property
    def acts(self) -> dict[str, Act]:
        return {act.name: act for act in self.rehearsal.acts}


async def played(folder: Path, target: str, report: Path, capsys: pytest.CaptureFixture[str]) -> Played:
    code = await perform(parse(["rehearse", "--source", str(folder), "--target", target, "--report", str(report)]))
    return reported(code, report, *capsys.readouterr())


def reported(code: int, report: Path, out: str, err: str) -> Played:
    """Read a report; without a terminal progress is plain lines, and no record has a password in it."""
    assert "\x1b" not in err + out
    assert "\r" not in err
    texts = [out, err, *(file.read_text() for file in report.iterdir())]
    assert not any("postgresql://" in text for text in texts)
    rehearsal = from_json(Rehearsal, (report / "rehearsal.json").read_text(), "the report")
    return Played(rehearsal, code, out + err, (report / "rehearsal.html").read_text())


def check_the_acts_of_every_target(play: Played) -> None:
    assert play.code == 0, play.printed
    assert all(act.passed for act in play.rehearsal.acts)
    refused = "\n".join(play.acts["II"].details)
    assert "index_notes_by_title.py:10 L01" in refused
    assert "holds SHARE on public.notes" in refused
    assert "postgresql_concurrently=True" in refused
    assert play.acts["III"].happened.startswith("ROLLED_BACK")
    assert "CACHE_URL" in "\n".join(play.acts["III"].details)
    assert "deploy exits 1" in play.acts["III"].happened


async def test_every_act_goes_as_expected_on_express_mode_and_only_requests_to_a_bad_canary_fail(
    quick, checkout, tmp_path, capsys
):
    play = await played(checkout.folder, "ecs-express", tmp_path / "report", capsys)
    check_the_acts_of_every_target(play)
    acts, traffic = play.acts, play.rehearsal.traffic
    assert list(acts) == ["start", "0", "before", "I", "II", "III", "IV", "V", "clients"]
    assert acts["0"].happened == "two services serve, each from its own database; 1 change by hand found and undone"
    steps = [step.what for step in acts["0"].steps]
    assert "made database and roles of notes-production: 2 resources, 11 roles and privileges" in steps
    assert "production: notes-called live, notes live, in the order of their calls" in steps
    assert [name for name, act in acts.items() if act.expects_failure] == ["II", "III", "IV"]
    # The platform keeps its own time, however busy the machine is.
    assert 700 < acts["I"].platform_seconds < 850
    canary, whole = (shown(acts["I"], stage) for stage in ("PRODUCTION_TRAFFIC_SHIFT: 5 %", "BAKE_TIME: 100 %"))
    assert 150 < whole - canary < 210
    assert acts["IV"].happened.startswith("ROLLED_BACK")
    assert "deploy exits 1" in acts["IV"].happened
    assert acts["IV"].details[0].startswith("cause: the load balancer's alarm went off: /")
    assert traffic.failed == traffic.taken_back
    counted = r"failed (\d+) of the clients' [1-9]\d* requests, and (\d+) of slipway's own during the canary; deploy"
    of_clients, own = map(int, re.search(counted, acts["IV"].happened).groups())
    assert of_clients + own > 0
    uncovered = [line for line in play.printed.splitlines() if line.lstrip().startswith("not covered: ")]
    assert len(uncovered) == len(set(uncovered)) > 4
    assert re.fullmatch(
        r"SUCCEEDED [0-9a-f]{12} on ECS Express Mode; 0 of [1-9]\d+ requests failed", acts["V"].happened
    )
    half, whole = (shown(acts["V"], f"{share} % of the traffic for the new side", step=2) for share in (50, 100))
    assert whole - half >= 60
    titles = Titles()
    titles.feed(play.page)
    assert len(titles.seen) == 9


@pytest.mark.skipif("SLIPWAY_REHEARSALS" not in os.environ, reason="SLIPWAY_REHEARSALS=1 plays App Runner, too")
async def test_every_act_goes_as_expected_on_app_runner_and_no_request_fails(quick, checkout, tmp_path, capsys):
    play = await played(checkout.folder, "app-runner", tmp_path / "report", capsys)
    check_the_acts_of_every_target(play)
    assert list(play.acts) == ["start", "before", "I", "II", "III", "clients"]
    assert [play.acts[name].platform_seconds for name in ("before", "I", "III")] == [276.25, 433.75, 425.75]
    assert "[AppRunner] Service status is set to RUNNING." in play.printed
    assert play.rehearsal.traffic.failed == 0
    assert play.rehearsal.traffic.requests >= 3 * 2 * 4  # in each of three acts two of each client


def shown(act: Act, words: str, step: int = -1) -> float:
    """Return when the platform showed a line in a step of an act, by default the last one."""
    return next(moment.seconds for moment in act.steps[step].course if words in moment.line)


class Titles(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        if tag == "h2":
            self.seen.append(tag)


async def rehearse(service, *more):
    """Play in this process; return the exit code."""
    flags = parse(["rehearse", *more, "--source", str(service.folder), *settings_of(service)])
    try:
        return await perform(flags)
    except Exception as error:  # noqa: BLE001 -- as the command does
        return fail(flags, error)


def settings_of(service):
    return "--settings", str(service.folder / "settings.toml")


async def broken(service, name, text, report, capsys):
    """Rehearse with a file of other text, which fails before act 0; return the last line of the report and of what is printed."""
    kept = (service.folder / name).read_text()
    (service.folder / name).write_text(text)
    before = snapshot(service.folder)
    assert await rehearse(service, "--report", str(report)) == 1
    assert snapshot(service.folder) == before, "the checkout is only read"
    (service.folder / name).write_text(kept)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert [line.split()[:2] for line in printed.out.splitlines()[:2]] == [["act", "what"], ["NO", "start"]]
    last = printed.out.splitlines()[-1]
    assert last in (report / "rehearsal.txt").read_text()
    assert last in html.unescape((report / "rehearsal.html").read_text())
    return last


async def test_a_release_that_cannot_work_ends_the_rehearsal_at_its_start_with_one_sentence_and_a_report(
    small, tmp_path, capsys, monkeypatch
):
    """The changes are not committed."""
    monkeypatch.setattr("slipway.environment.preflight._FINAL_SECONDS", 0)

    async def sentence(name, *change):
        text = (small.folder / name).read_text().replace(*change) if len(change) == 2 else change[0]
        return await broken(small, name, text, tmp_path / "report", capsys)

    assert await sentence("serve.py", "import a_module_that_nobody_installed\n") == (
        "failed in start: the release does not become healthy: the release imports a_module_that_nobody_installed, which is "
        "not installed: add it to the dependencies and lock again; a module of its own must be in sources of [tool.slipway]"
    )
    assert await sentence("settings.toml", 'path = "/"', 'path = "/absent"') == (
        "failed in start: the release does not become healthy: the health check /absent answers 404: make it answer 200, "
        "or correct health-path in [tool.slipway]"
    )
    assert await sentence("serve.py", "import sys\n", 'import sys\nos.environ["KEY"]\n') == (
        "failed in start: the release does not become healthy: the release reads the variable KEY, which it does not get: "
        "add KEY to variables of [tool.slipway.migrations]"
    )
    assert "uv sync failed: error: Failed to parse `uv.lock`" in await sentence("uv.lock", "no lock")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git/" not in str(path)
    }


async def test_a_checkout_with_refused_migrations_does_not_reach_staging_in_a_named_environment_either(
    without_act_0, small, capsys
):
    small.replace("migrations/versions/bbb.py", INDEX)
    settings = small.folder / "settings.toml"
    settings.write_text(
        settings.read_text() + '\n[tool.slipway.migrations.variables]\nREDIS_URL = "redis://127.0.0.1:1/0"\n'
    )
    (small.folder / "uv.lock").unlink()  # nothing to make an environment from
    assert await rehearse(small, "--python", sys.prefix) == 1
    printed = capsys.readouterr()
    assert "NO  start  the gate refuses the checkout's own migrations (L01)" in printed.out
    assert f"with the packages in {sys.prefix}" in printed.out
    assert "no server answers here at the address in REDIS_URL (127.0.0.1:1): only Postgres is started\n" in printed.err


def test_an_interruption_of_a_deployment_with_clients_leaves_nothing_behind(small, tmp_path):
    marked = tmp_path / "tmp"
    marked.mkdir()
    source = ["--source", str(small.folder), *settings_of(small)]
    command = [sys.executable, "-m", "slipway.cli", "rehearse", "--target", "app-runner", *source]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(marked)},
        preexec_fn=as_on_a_terminal,  # noqa: PLW1509 -- this process has no other threads
    )
    assert any("I: the checkout" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.strip().splitlines()[-1] == "slipway: interrupted; its processes on this machine are stopped"
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
