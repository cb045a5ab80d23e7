"""Values behind ARNs, as ECS and App Runner write them."""

import pytest

from slipway.errors import BadInputError, RefusedError
from slipway.release.aws.references import value_of
from tests.release.desired import aws_of
from tests.release.direct import opened

PLAIN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-Xk3bQz"
JSON = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/all-Xk3bQz"


@pytest.fixture
async def aws():
    secrets = {PLAIN: "a-canary-url", JSON: '{"url": "a-canary-url", "port": 5432}'}
    async with opened(secrets=secrets) as account:
        yield aws_of(account)


@pytest.mark.parametrize(
    ("reference", "value"),
    [(PLAIN, "a-canary-url"), (f"{JSON}:url::", "a-canary-url"), (f"{JSON}:port::", "5432")],
)
async def test_a_secret_or_one_of_its_keys_is_read(aws, reference, value):
    assert await value_of(aws, reference) == value


@pytest.mark.parametrize("reference", [f"{JSON}:absent::", f"{PLAIN}:url::"])
async def test_a_missing_key_is_named_and_the_secret_is_not(aws, reference):
    with pytest.raises(BadInputError, match=r"has no key (absent|url): correct its ARN") as caught:
        await value_of(aws, reference)
    assert "canary" not in str(caught.value)


async def test_a_missing_secret_is_refused_by_aws(aws):
    with pytest.raises(RefusedError, match="ResourceNotFoundException"):
        await value_of(aws, PLAIN.replace("url", "absent"))


async def test_a_parameter_is_read_decrypted_by_its_arn():
    class Ssm:
        async def call(self, *asked, **parameters):
            self.asked = asked, parameters
            return {"Parameter": {"Value": "a-canary-url"}}

    aws, arn = Ssm(), "arn:aws:ssm:eu-west-1:123456789012:parameter/notes/url"
    assert await value_of(aws, arn) == "a-canary-url"
    assert aws.asked == (("ssm", "get_parameter"), {"Name": arn, "WithDecryption": True})
