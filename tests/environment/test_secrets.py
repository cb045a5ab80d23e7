"""Secrets: those that are missing are named, and a new value goes to Secrets Manager and to no other place."""

import io
import sys
from dataclasses import replace

import pytest

from slipway.environment.secrets import secrets, set_secret
from slipway.errors import BadInputError, RefusedError
from slipway.local.prompt import secret_value
from slipway.report.answers import service as answers

pytestmark = pytest.mark.slow

PLACE = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
NAMED = {
    "THERE": f"{PLACE}:notes/there-AbCdEf",
    "GONE": f"{PLACE}:notes/gone-AbCdEf",
    "PART": f"{PLACE}:notes/there-AbCdEf:url::",
    "PARAMETER": "arn:aws:ssm:eu-west-1:123456789012:parameter/notes/token",
}


@pytest.fixture
def environment(account, staging):
    made = staging.environment
    own = replace(made.own_settings, secrets=NAMED)
    changed = replace(made, settings=replace(made.settings, environments={"staging": own}))
    account.cloud.references.secrets.put(NAMED["THERE"], "old")
    return changed


async def test_missing_secrets_are_named(environment):
    answer = answers.of_secret_list(await secrets(environment))
    assert (answer.record.missing, answer.code) == (("GONE", "PARAMETER"), 1)
    assert answer.text.splitlines()[-1] == "4 secrets, 2 missing"


async def test_a_new_value_is_a_new_version_of_the_secret_that_the_settings_name(account, environment):
    answer = answers.of_secret_version(await set_secret(environment, "THERE", "kanarie"))
    assert account.cloud.references.secrets.value(NAMED["THERE"]) == "kanarie"
    assert "kanarie" not in f"{answer}"
    assert answer.record.setting == ""


@pytest.mark.parametrize("name", ["GONE", "NEW"])
async def test_a_secret_that_does_not_exist_is_made_and_the_line_of_the_settings_printed(account, environment, name):
    first, second = [await set_secret(environment, name, value) for value in ("one", "two")]
    assert first.arn == second.arn
    assert first.arn.startswith(f"{PLACE}:notes-staging/{name}-")
    assert account.cloud.references.secrets.value(first.arn) == "two"
    assert f'staging]: {name} = "{first.arn}"' in answers.of_secret_version(first).text


async def test_what_is_no_whole_secret_is_refused_with_the_command_that_sets_it(environment):
    with pytest.raises(RefusedError, match="PART is the key url of a secret with several values: aws secretsmanager"):
        await set_secret(environment, "PART", "x")
    with pytest.raises(RefusedError, match=r"--overwrite --name /notes/token$"):
        await set_secret(environment, "PARAMETER", "x")


async def test_no_error_repeats_a_value(environment):
    for name, value in (("TOKEN=kanarie", "x"), ("TOKEN", ""), ("TOKEN", "kanarie" * 10_000)):
        with pytest.raises(BadInputError) as refused:
            await set_secret(environment, name, value)
        assert "kanarie" not in str(refused.value)


@pytest.mark.parametrize(
    ("piped", "value"), [(b"one\n", "one"), (b"one\r\n", "one"), (b"a\nb\n\n", "a\nb\n"), (b"", "")]
)
def test_a_value_that_is_piped_in_loses_its_last_line_end_only(monkeypatch, piped, value):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
    assert secret_value("TOKEN") == value


def test_a_value_that_is_no_text_is_bad_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    with pytest.raises(BadInputError, match="the value of TOKEN is not UTF-8"):
        secret_value("TOKEN")
