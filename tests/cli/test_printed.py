"""Commands in messages work when they are pasted."""

import re
import shlex
from pathlib import Path

import pytest

import slipway
from slipway.cli import perform
from slipway.commands.flags import EVERYWHERE
from slipway.commands.grammar import parse
from slipway.commands.printed import completed
from slipway.commands.table import FUNCTIONS
from slipway.records.ledger import Intent
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.ledger import Ledger
from tests.release.desired import aws_of
from tests.simulator.account import URI

HERE = ("--endpoint-url", "http://127.0.0.1:4566")


@pytest.mark.parametrize(
    ("call", "text", "expected"),
    [
        (
            ("status", "--environment", "qa", *HERE),
            "`slipway rollback`, `slipway logs --environment b`",
            f"`slipway rollback --environment qa {' '.join(HERE)}`, `slipway logs --environment b {' '.join(HERE)}`",
        ),
        (
            ("promote", "--from", "qa", "--to", "prod", "--source", "my services/api"),
            "`slipway status`",
            "`slipway status --environment prod --source 'my services/api'`",
        ),
        (
            ("rollback", "--environment", "qa", "--service", "notes", "--region", "eu-west-1"),
            "`slipway history`, `slipway deploy`",
            "`slipway history --environment qa --service notes --region eu-west-1`, `slipway deploy --environment qa`",
        ),
        (("status", "--environment", "qa"), "`slipway run -- env`", "`slipway run --environment qa -- env`"),
        (("status", "--environment", "qa"), "`slipway secret --help`", "`slipway secret --help`"),
        (
            ("status", "--environment", "qa"),
            "`slipway explain L01`, `dagger call x`",
            "`slipway explain L01`, `dagger call x`",
        ),
        (("doctor",), "`slipway status`", "`slipway status`"),
        (("status", "--environment", "qa", *HERE), "`slipway simulator`", "`slipway simulator`"),
    ],
)
def test_a_command_gets_the_flags_that_say_where(call, text, expected):
    assert completed(text, parse(call)) == expected


def test_every_command_that_a_message_names_exists_with_its_flags():
    known = {command.name: {flag.name for flag in (*command.flags, *EVERYWHERE)} | {"help"} for command in FUNCTIONS}
    listed = [
        (name, set(re.findall(r"--([a-z-]+)", flags)) - known.get(name, set()))
        for file in Path(slipway.__file__).parent.rglob("*.py")
        for name, flags in re.findall(r"`slipway ([a-z]+)([^`\n]*)`", file.read_text())
    ]
    assert len(listed) > 100
    assert [(name, flags) for name, flags in listed if flags or name not in known] == []


@pytest.mark.slow
async def test_the_command_that_status_prints_resumes_the_deployment(account, service, capsys):
    """It lacked the endpoint and the folder of the call."""
    image = f"{URI}@{await account.image()}"
    ledger = Ledger(EcrStore(aws_of(account), "notes-ledger-staging"), "staging")
    await ledger.claim(
        Intent(environment="staging", number=0, image=image, wanted="w", fingerprint="f", holder="ci", nonce="n"), 0
    )
    place = ["--source", str(service), "--environment", "staging", "--endpoint-url", account.cloud.url]
    await perform(parse(["status", *place]))
    (command,) = re.findall(r"`slipway (deploy [^`]*)`", capsys.readouterr().out)
    assert await perform(parse(shlex.split(command))) == 0
    assert "SUCCEEDED" in capsys.readouterr().out
