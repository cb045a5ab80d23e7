"""The webhook at the end of a deployment, tried against a real HTTP server."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from slipway.environment.environment import pause
from slipway.records.outcome import Diagnosis, Outcome, Status
from slipway.release.bootstrap.roles import policy, scope_of
from slipway.report.webhook import of_outcome
from slipway.simulator.authorization import Needed, allows
from tests.environment.environments import SETTINGS
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/webhook-AbCdEf"


@asynccontextmanager
async def chat(status):
    """A server that answers with a status, with the bodies that it received."""
    bodies = []

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/services/kanarie", bodies


def with_webhook(place):
    made = place.environment
    own = replace(made.own_settings, webhook=SECRET)
    return replace(made, settings=replace(made.settings, environments={"staging": own}))


async def test_the_end_of_each_change_is_posted_once_without_words_of_the_application(account, staging):
    environment, lines = with_webhook(staging), ("Traceback (most recent call last):", "  x", "ValueError: kanarie")
    good, sick = await account.image(), await account.image(Script(lines=lines, exit_code=1))
    async with chat(200) as (url, bodies):
        account.cloud.references.secrets.put(SECRET, url)
        for digest in (good, good, sick):  # the second is a NOOP
            await environment.deploy(digest, staging.tell)
        await pause(environment, staging.tell)
    assert [set(body) for body in bodies] == [{"text"}] * 3
    first, failed, paused = (body["text"] for body in bodies)
    assert first.startswith(f"✅ SUCCEEDED: notes-staging in staging, deployment 1\nlive: {good}, after ")
    assert "❌ ROLLED_BACK" in failed
    assert "\ncause: the release ends with an error: …\n" in failed
    assert paused.startswith("✅ SUCCEEDED: pause of notes-staging in staging, deployment 3\nlive: nothing")


@pytest.mark.parametrize(
    ("status", "value", "said"),
    [
        (500, "URL", "the webhook answers with 500"),
        (302, "URL", "the webhook answers with 302"),
        (200, "http://127.0.0.1:1/kanarie", "the webhook does not answer (ConnectError)"),
        (
            200,
            "http://chat.example/kanarie",
            "the webhook was not called: its secret holds no URL that begins with https",
        ),
        (200, None, "the webhook was not called: AWS refused secretsmanager get_secret_value"),
    ],
)
async def test_a_webhook_that_fails_changes_no_outcome_and_its_url_is_not_shown(account, staging, status, value, said):
    async with chat(status) as (url, _):
        if value:
            account.cloud.references.secrets.put(SECRET, url if value == "URL" else value)
        outcome = await with_webhook(staging).deploy(await account.image(), staging.tell)
    assert outcome.status is Status.SUCCEEDED
    assert any(line.startswith(said) for line in staging.told)
    assert "kanarie" not in "".join(staging.told)


def test_a_text_mentions_no_person_and_no_channel():
    why = Diagnosis(
        rule="schema", cause="the <!channel> & <@U1>", lines=("kanarie",), remedy="<https://evil.example|click>"
    )
    outcome = Outcome(
        environment="staging", service="notes", status=Status.ROLLED_BACK, requested="", live=None, url=None, seconds=1, diagnosis=why,
    )  # fmt: skip
    assert not set("<>") & set(of_outcome(outcome, "<!here>"))


def test_the_role_reads_the_value_of_this_secret_only_where_a_webhook_is_set():
    there = {"staging": replace(SETTINGS.environment("staging"), webhook=SECRET)}
    read = Needed("secretsmanager:GetSecretValue", SECRET)
    assert allows(policy(scope_of(replace(SETTINGS, environments=there), "staging"), ["webhook"]), read)
    assert policy(scope_of(SETTINGS, "staging"), ["webhook"])["Statement"] == []
