"""Logs: what a service and its platform wrote lately, about one deployment, and while it is followed."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from slipway.environment import logs
from slipway.errors import BadInputError, RefusedError
from slipway.records.logs import LogLine, LogSource
from slipway.release.failures import NO_PLATFORM
from slipway.report.release import of_log
from tests.simulator.scripted import Script

APPLICATION, PLATFORM = LogSource.APPLICATION, LogSource.PLATFORM
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.slow
TRACEBACK = "Traceback (most recent call last):\n    raise KeyError\n\x1b[31mKeyError: 'NOW'\x07"


def texts(lines, source=APPLICATION):
    return [line.text for line in lines if line.source is source]


@pytest.fixture
async def two(account, staging):
    """Two deployments, of which the second was rolled back."""
    first = await account.image(Script(lines=("first ready",)))
    await staging.environment.deploy(first, staging.tell)
    sick = await account.image(Script(lines=("second begins", TRACEBACK), exit_code=1))
    await staging.environment.deploy(sick, staging.tell)
    return staging


async def test_lines_have_time_source_and_text_in_order_and_those_of_a_deployment_are_its_own(account, two):
    log = await logs.recent(two.environment, HOUR)
    assert [line.at for line in log.lines] == sorted(line.at for line in log.lines)
    assert texts(log.lines)[:3] == ["first ready", "second begins", "Traceback (most recent call last):"]
    shown = of_log(log).splitlines()
    assert len(shown) == len(log.lines)
    assert of_log(log.last(2)).splitlines() == shown[-2:]
    assert log.last(None) == log
    assert len(set(shown)) == len(shown)  # the platform writes its lines into two streams
    assert any(line.endswith("Z  application      raise KeyError") for line in shown)
    assert "\x1b" not in of_log(log)
    assert "\x07" not in of_log(log)

    first, second = [await logs.of_deployment(two.environment, number) for number in (1, 2)]
    assert texts(first.lines) == ["first ready"]
    assert texts(second.lines)[0] == "second begins"
    assert "first ready" not in texts(second.lines[:3])
    assert all(texts(log.lines, PLATFORM) for log in (first, second))
    assert not {line.stream for line in first.lines} & {line.stream for line in second.lines}
    await account.cloud.clock.sleep(3600)
    assert (await logs.recent(two.environment, timedelta(minutes=10))).lines == ()


async def test_only_errors_have_their_tracebacks_and_nothing_else(two):
    log = await logs.recent(two.environment, HOUR)
    kept = tuple(filter(logs.ErrorLines(two.environment.platform.words), log.lines))
    assert texts(kept) == TRACEBACK.splitlines()
    assert not {"first ready", "second begins"} & set(texts(kept))
    assert all("Health check failed" in text for text in texts(kept, PLATFORM))


async def test_without_a_line_the_way_to_those_after_the_deployment_is_shown(account, two):
    """The errors of a release that had succeeded came after its rollout, and `logs --errors --deployment` printed nothing."""
    await account.cloud.clock.sleep(1800)
    assert re.fullmatch(
        r"deployment 1 has no line that looks like an error between its start and its end; "
        r"`slipway logs --since 3\dm --errors` has the lines since then",
        await logs.elsewhere(two.environment, 1, errors=True),
    )
    assert "`slipway logs --since 1d` reads" in await logs.elsewhere(two.environment, None, errors=False)


REQUEST = """\
INFO:     10.0.1.7:0 - "GET /notes HTTP/1.1" 500 Internal Server Error
ERROR:    Exception in ASGI application
Traceback (most recent call last):
  File "/app/.venv/lib/python3.13/site-packages/starlette/routing.py", line 716, in __call__
    await self.middleware_stack(scope, receive, send)
  File "/app/notes/main.py", line 41, in notes
    rows = await session.execute(SELECT)
  File "/app/.venv/lib/python3.13/site-packages/psycopg/connection_async.py", line 443, in execute
    raise ex.with_traceback(None)
psycopg.errors.UndefinedColumn: column notes.body does not exist
INFO:     10.0.1.7:0 - "GET /healthz HTTP/1.1" 200 OK
"""
FOUND = (
    '  File "/app/notes/main.py", line 41, in notes',
    "    rows = await session.execute(SELECT)",
    "psycopg.errors.UndefinedColumn: column notes.body does not exist",
)
ACCESS = 'INFO: "GET /notes HTTP/1.1" 500'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (REQUEST, FOUND),
        (f"{REQUEST}{ACCESS}", FOUND),
        (json.dumps({"level": "error", "event": "failed", "exception": REQUEST.partition("ation\n")[2]}), FOUND),
        ("INFO: well", ()),
        (ACCESS, (ACCESS,)),
        ("Traceback (most recent call last):", ()),
    ],
)
def test_the_newest_error_is_an_exception_with_the_line_of_the_service(text, found):
    lines = [
        LogLine(at=0.0, source=APPLICATION, stream=stream, text=line)
        for line in text.splitlines()
        for stream in ("one", "two")  # two instances at once
    ]
    assert logs.error_in(lines, NO_PLATFORM)[-3:] == (found if found != (ACCESS,) else (ACCESS, ACCESS))


async def test_following_yields_each_line_once_also_one_that_arrives_late(account, two):
    seen, environment = [], two.environment
    arn = (await environment.status()).arn
    group = f"/aws/apprunner/notes-staging/{arn.rpartition('/')[2]}/application"
    async for line in logs.follow(environment, HOUR):
        seen.append(line.text)
        if line.text == "late":
            break
        if "a new line" not in seen:
            now = environment.time.now()
            for text, age in (("a new line", 0), ("late", 20)):
                if text not in seen:
                    account.cloud.logs.write(group, "instance/one", now - timedelta(seconds=age), text)
                    seen.append(text)
    assert seen.count("first ready") == 1


async def test_a_value_that_the_settings_reveal_is_hidden(account, staging):
    own = staging.environment.own_settings
    own = replace(own, variables={"API_KEY": "kanarie-variable", "MODE": "info"})
    settings = replace(staging.environment.settings, environments={"staging": own})
    environment = replace(staging.environment, settings=settings)
    line = "info: kanarie-variable at postgresql://app:kanarie/password@db/notes"
    await environment.deploy(await account.image(Script(lines=(line,))), staging.tell)
    assert texts((await logs.recent(environment, HOUR)).lines) == ["info: *** at postgresql://app:…@db/notes"]


async def test_without_a_service_or_an_operation_there_is_no_log(staging):
    with pytest.raises(RefusedError, match="there is no service notes-staging: deploy one with"):
        await logs.recent(staging.environment, HOUR)
    with pytest.raises(BadInputError, match="the ledger has no deployment 7"):
        await logs.of_deployment(staging.environment, 7)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 259200)])
def test_a_span_has_a_unit(text, seconds):
    assert logs.span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["10", "m", "1w", "-5m", "1.5h", "٣m", "999999d"])
def test_another_span_is_bad_input(text):
    with pytest.raises(BadInputError, match="is no span of time: pass a number with s, m, h or d"):
        logs.span(text)
