from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.errors import BadInputError
from slipway.release.aws.client import Keys, keys_from
from slipway.release.aws.ecr import region_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        '{"Version": 1, "AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2026-11-23T13:00:00+00:00"}',
        "export AWS_ACCESS_KEY_ID=k\nexport AWS_SECRET_ACCESS_KEY=s\nexport AWS_SESSION_TOKEN=t\nexport AWS_CREDENTIAL_EXPIRATION=2026-11-23T13:00:00Z\n",
        "AWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY=s\nAWS_SESSION_TOKEN=t\n",
        "HOME=/root\nAWS_REGION=eu-west-1\nAWS_SESSION_TOKEN='t'\nAWS_SECRET_ACCESS_KEY=s\nAWS_ACCESS_KEY_ID=\"k\"",
    ],
    ids=["process", "env", "env-no-export", "an environment"],
)
def test_every_format_of_the_aws_command_line_is_read(text):
    assert keys_from(text, NOW) == Keys("k", "s", "t")


def test_a_secret_may_contain_any_character():
    assert keys_from("AWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY=a+b/c==\n", NOW) == Keys("k", "a+b/c==", None)


def test_expired_credentials_are_refused_before_anything_is_asked():
    expired = '{"AccessKeyId": "k", "SecretAccessKey": "s", "Expiration": "2026-11-23T11:59:00+00:00"}'
    with pytest.raises(BadInputError, match="expired at 11:59:00 UTC: sign in again"):
        keys_from(expired, NOW)


@settings(max_examples=25)
@given(st.text() | st.text().map(lambda text: f'{{"AccessKeyId": "{text}"}}') | st.sampled_from(["[]", "1", "null"]))
def test_text_without_credentials_is_refused_and_never_quoted(text):
    with pytest.raises(BadInputError) as refused:
        keys_from(f"canary{text}", NOW)
    assert "canary" not in str(refused.value)


def test_the_region_of_a_registry_is_part_of_its_name():
    assert region_of("123456789012.dkr.ecr.eu-west-1.amazonaws.com") == "eu-west-1"
    assert region_of("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com") == "us-gov-west-1"
    assert region_of("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn") == "cn-north-1"
    assert region_of("123456789012.dkr.ecr.eu-west-1.amazonaws.com.example") is None
    assert region_of("ghcr.io") is None
