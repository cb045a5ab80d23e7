import io
import os
import signal
import subprocess
import sys
from functools import partial

import anyio
import pytest

from slipway.cli import perform
from slipway.commands.grammar import parse
from slipway.conformance.walks import estimate
from slipway.errors import BadInputError
from slipway.local import conformance
from slipway.local.conformance import Consent, permitted
from slipway.records.conformance import Conformance
from slipway.records.form import from_json
from slipway.simulator.clock import Clock, VirtualClock
from slipway.simulator.cloud import Cloud
from tests.conformance.within import everything
from tests.simulator.account import BRISK, opened

ACCOUNT, OTHER = "123456789012", "210987654321"


class Terminal(io.StringIO):
    """An interactive terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def keys(monkeypatch, tmp_path):
    """Credentials, and nothing else that boto3 could find on this machine."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


async def asked(*arguments: str) -> int:
    return await perform(parse(["conformance", *arguments]))


def named(cloud: Cloud, account: str = ACCOUNT) -> list[str]:
    return ["--account", account, "--endpoint-url", cloud.url]


async def test_without_consent_nothing_is_asked_but_who_the_account_is(asked_by_name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for what in ((), ("--clean-up",)):
        with pytest.raises(BadInputError, match=r"consent is missing.*--yes"):
            await asked(*named(asked_by_name), *what)
    assert asked_by_name.requests == ["GetCallerIdentity"] * 2
    assert f"${estimate().dollars:.2f}" in capsys.readouterr().err


async def test_another_number_that_is_typed_is_no_consent(asked_by_name, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(f"{OTHER}\n"))
    with pytest.raises(BadInputError, match="nothing was touched"):
        await asked(*named(asked_by_name))
    assert asked_by_name.requests == ["GetCallerIdentity"]


async def test_the_number_that_is_typed_is_consent(asked_by_name, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(f"{ACCOUNT}\n"))
    assert await asked(*named(asked_by_name), "--clean-up") == 0
    assert "ListServices" in asked_by_name.requests


async def test_credentials_of_another_account_are_refused(asked_by_name):
    with pytest.raises(BadInputError, match=f"belong to account {ACCOUNT}, not to {OTHER}"):
        await asked(*named(asked_by_name, OTHER), "--yes")
    assert asked_by_name.requests == ["GetCallerIdentity"]


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_APPRUNNER"])
async def test_an_endpoint_override_that_was_not_named_is_refused(asked_by_name, monkeypatch, variable):
    monkeypatch.setenv(variable, asked_by_name.url)
    with pytest.raises(BadInputError, match=r"(?:leads|would go) to 127\.0\.0\.1"):
        await asked("--account", ACCOUNT, "--yes")
    assert asked_by_name.requests == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--account", "notes"], "is no account"),
        (["--yes"], "no account is named"),
        (["--clean-up"], "no account is named"),
        (["--image", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/notes:1"], "--access-role"),
    ],
)
async def test_bad_input_is_reported(arguments, complaint):
    with pytest.raises(BadInputError, match=complaint):
        await asked(*arguments)


async def test_a_region_is_needed(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(BadInputError, match="--region"):
        await permitted(Consent(ACCOUNT))


async def test_an_estimate_makes_no_call(capsys):
    assert await asked("--estimate") == 0
    assert "App Runner services" in capsys.readouterr().out


@pytest.fixture
async def asked_by_name():
    async with opened(clock=VirtualClock()) as account:
        account.cloud.requests.clear()
        yield account.cloud


@pytest.mark.slow
async def test_without_an_account_the_simulator_is_asked(capsys, monkeypatch):
    monkeypatch.setattr(conformance, "in_no_time", partial(conformance.in_no_time, BRISK))
    assert await asked("--json") == 0
    found = from_json(Conformance, capsys.readouterr().out, "what was printed")
    assert (found.against, found.exit_code) == ("an emulator", 0)


@pytest.mark.slow
async def test_sigterm_in_the_middle_of_a_run_deletes_everything():
    async with opened(clock=Clock(100), pace=BRISK) as account:
        command = [sys.executable, "-m", "slipway.cli", "conformance", *named(account.cloud), "--yes"]
        async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
            with anyio.fail_after(300):
                while "StartDeployment" not in account.cloud.requests:  # noqa: ASYNC110 -- the account has no event for it
                    await anyio.sleep(0.02)
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 130
        services, scaling, repositories, _ = everything(account.cloud)
        assert (services, scaling, repositories) == ([], [], ["notes"])
