"""Secret values and hostile text in every place, then a search for them in all output.

Every command that uses AWS runs on the command line, in success and in failure.
"""

import base64
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request

from slipway.cli import fail, perform
from slipway.commands.grammar import parse
from slipway.release.aws.client import Aws
from slipway.release.engine.target import Time
from slipway.simulator import endpoint
from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Effect, Fault
from tests.release.direct import send_directly, share_clients
from tests.simulator.account import INSTANCE_ROLE, REPOSITORIES, ROLE, URI, opened
from tests.simulator.scripted import Script, ScriptedBackend

DATABASE = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-Xk3bQz"
TOKEN = "arn:aws:ssm:eu-west-1:123456789012:parameter/notes/token"
SECRETS = {
    DATABASE: "postgresql://app:kanarie-password@127.0.0.1:1/notes",
    TOKEN: "kanarie-token-of-the-service",
}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAKANARIE",
    "AWS_SECRET_ACCESS_KEY": "kanarie-secret-key",
    "AWS_SESSION_TOKEN": "kanarie-session",
}
RUNNER = """
[tool.slipway.environments.staging.migration]
runner = "direct"
"""
SETTINGS = f"""
[tool.slipway]
name = "notes"
command = ["serve"]
health-path = "/healthz"
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"
instance-role = "{INSTANCE_ROLE}"
variables = {{ API_KEY = "kanarie-variable" }}
secrets = {{ DATABASE_URL = "{DATABASE}", TOKEN = "{TOKEN}" }}
{RUNNER}
[tool.slipway.environments.production]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"
instance-role = "{INSTANCE_ROLE}"
variables = {{ API_KEY = "kanarie-variable" }}
"""
# A terminal title, a colour, a Markdown row, a mention, a tracking image, a script, a command to GitHub's runner.
HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b2J| **a** | @everyone ![x](https://evil.example/p.png) <script>x()</script> ::set-output name=live::evil"
SICK = (HOSTILE, f"KeyError: 'REDIS_URL' beside kanarie-variable and {SECRETS[DATABASE]} {HOSTILE}")


class Talkative(ScriptedBackend):
    """Releases that print all their variables, as for debugging."""

    @asynccontextmanager
    async def start(self, order, heard):
        for name, value in order.variables.items():
            heard(f"{HOSTILE} {name}={value}")
        async with super().start(order, heard) as workload:
            yield workload


class World:
    """An account, the service's folder and a GitHub job."""

    def __init__(self, account, folder, capsys):
        self.account = account
        self.folder = folder
        self._capsys = capsys
        self.said = ""

    async def slipway(self, command, *options):
        """Run a command and return its exit code."""
        place = ["--source", str(self.folder)]
        if command != "permissions":  # it asks no account
            place += ["--endpoint-url", self.account.cloud.url]
        flags = parse([command, "--debug", *place, *options])
        try:
            code = await perform(flags)
        except Exception as error:  # noqa: BLE001 -- as the command does
            code = fail(flags, error)
        said = self._capsys.readouterr()
        self.said += said.out + said.err
        return code

    def leaked(self):
        """Return the places that hold a secret or a control character."""
        repositories = self.account.cloud.store.repositories.values()
        places = {
            "terminal": self.said.encode(),
            "output of the job": (self.folder / "GITHUB_OUTPUT").read_bytes(),
            "summary of the job": (self.folder / "GITHUB_STEP_SUMMARY").read_bytes(),
            "ledger": b"".join(
                content
                for each in repositories
                for content in (*each.blobs.values(), *(manifest.content for manifest in each.manifests.values()))
            ),
        }
        embedded = base64.b64encode(b"kanarie")[:8]
        return {
            f"{what!r} in {place}"
            for place, content in places.items()
            for what in (b"kanarie", b"KANARIE", embedded, b"\x1b", b"\x07", "\x9b".encode())
            if what in content
        }


@pytest.fixture
async def world(tmp_path, monkeypatch, capsys):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setitem(endpoint._REFUSALS, Effect.DENIED, ("AccessDeniedException", HOSTILE, 400))
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    backend = Talkative()
    async with opened(
        lambda _url: backend, clock=VirtualClock(), repositories=REPOSITORIES, secrets=SECRETS
    ) as account:
        account.backend = backend
        time = Time(account.cloud.clock.now, account.cloud.clock.sleep)
        send = Aws.send

        async def send_in_no_time(*request):
            with account.cloud.clock.held():
                return await send(*request)

        monkeypatch.setattr(Aws, "send", send_in_no_time)
        share_clients(monkeypatch)
        monkeypatch.setattr("slipway.environment.environment.wall_clock", lambda: time)
        yield World(account, tmp_path, capsys)


@pytest.fixture
def sent(monkeypatch):
    """The headers of every request to the endpoint."""
    heard = []
    answer = endpoint.Endpoint.call

    async def call(self, request: Request):
        heard.append(f"{dict(request.headers)}")
        return await answer(self, request)

    monkeypatch.setattr(endpoint.Endpoint, "call", call)
    return heard


@pytest.fixture
def direct(world, monkeypatch):
    """The world without HTTP to AWS; its errors are those that boto3 reads."""
    send_directly(monkeypatch, world.account.cloud)
    return world


STAGING, PRODUCTION = ("--environment", "staging"), ("--environment", "production")


@pytest.mark.slow
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["text", "json"])
async def test_no_command_leaks_a_value_or_passes_control_characters(world, sent, json, monkeypatch):
    if json:  # the requests are the same
        send_directly(monkeypatch, world.account.cloud)
    (world.folder / "pyproject.toml").write_text(SETTINGS.replace(RUNNER, ""))
    first, second = [f"{URI}@{await world.account.image()}" for _ in range(2)]
    sick = f"{URI}@{await world.account.image(Script(lines=SICK, exit_code=1))}"
    reason = ("--without-certificate", f"{HOSTILE} because")

    assert await world.slipway("plan", *STAGING, "--image", first, *json) == 0
    assert await world.slipway("deploy", *STAGING, "--image", first, *json) == 0
    assert await world.slipway("deploy", *STAGING, "--image", second, *json) == 0
    assert await world.slipway("deploy", *STAGING, "--image", sick, *json) == 1
    assert await world.slipway("diagnose", *STAGING, *json) == 1
    assert await world.slipway("rollback", *STAGING, "--to", "1", "--dry-run", *json) == 1
    assert await world.slipway("rollback", *STAGING, "--to", "1", *json) == 1
    assert await world.slipway("rollback", *STAGING, "--to", "1", *reason, *json) == 0
    assert await world.slipway("promote", "--from", "staging", "--to", "production", *reason, *json) == 0
    assert await world.slipway("pause", *STAGING, *json) == 0
    assert await world.slipway("resume", *STAGING, *json) == 0
    for command in ("status", "history"):
        assert await world.slipway(command, *STAGING, *json) == 0
    await world.slipway("preflight", *STAGING, "--image", sick, *json)
    await world.slipway("bootstrap", *STAGING, "--github", "OWNER/NAME", *json)
    assert await world.slipway("permissions", *STAGING, *json) == 0
    (world.folder / "pyproject.toml").write_text(SETTINGS)
    monkeypatch.setenv("ANY_URL", SECRETS[DATABASE])
    for options in ((), ("--status",), ("--database-url-from", "ANY_URL")):
        await world.slipway("migrate", *STAGING, "--image", first, *options, *json)
    assert await world.slipway("destroy", *PRODUCTION, "--confirm", "notes-production", *json) == 0
    assert world.leaked() == set()
    assert "REDIS_URL" in world.said  # the line was shown
    assert not [headers for headers in sent if "kanarie" in headers.lower()]


REFUSED = {
    "plan": ("ListServices", ("--image", "NEW")),
    "deploy": ("UpdateService", ("--image", "NEW")),
    "status": ("BatchGetImage", ()),
    "history": ("BatchGetImage", ()),
    "rollback": ("BatchGetImage", ()),
    "diagnose": ("ListOperations", ()),
    "pause": ("PauseService", ()),
    "destroy": ("DeleteService", ("--confirm", "notes-production")),
}


@pytest.mark.slow
@pytest.mark.parametrize("effect", [Effect.DENIED, Effect.EXPIRED])
async def test_messages_of_aws_are_one_harmless_line(direct, effect):
    """Messages of refusals are untrusted text; credentials may expire during a run."""
    live = f"{URI}@{await direct.account.image()}"
    assert await direct.slipway("deploy", *PRODUCTION, "--image", live) == 0
    for command, (operation, options) in REFUSED.items():
        for json in ((), ("--json",)):
            direct.account.cloud.faults.add(Fault(operation=operation, effect=effect, times=99))
            new = f"{URI}@{await direct.account.image()}"
            code = await direct.slipway(
                command, *PRODUCTION, *(new if part == "NEW" else part for part in options), *json
            )
            direct.account.cloud.faults.clear()
            assert code in ((0,) if command == "status" else (1, 3)), command
    assert direct.leaked() == set()
    if effect is Effect.EXPIRED:
        assert (
            "sign in again and run the same command; it resumes what this run has started, if anything" in direct.said
        )
