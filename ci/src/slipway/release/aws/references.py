"""Secrets and parameters that the settings name by ARN, resolved on demand; never logged or stored."""

import json

from slipway.errors import BadInputError
from slipway.release.aws.client import Aws

_PARTS_OF_A_SECRET = (
    7  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME, then :KEY:STAGE:VERSION in ECS and App Runner [G]
)


async def value_of(aws: Aws, reference: str) -> str:
    """Return a secret of Secrets Manager, one key of it, or a parameter of SSM; raises SlipwayError."""
    if ":ssm:" in reference:
        answer = await aws.call("ssm", "get_parameter", Name=reference, WithDecryption=True)
        return str(answer["Parameter"]["Value"])
    arn, key, stage, version = _parts(reference)
    which = ({"VersionStage": stage} if stage else {}) | ({"VersionId": version} if version else {})
    answer = await aws.call("secretsmanager", "get_secret_value", SecretId=arn, **which)
    if "SecretString" not in answer:
        raise BadInputError(f"the secret {arn} holds no text", "store it as text")
    return _member(str(answer["SecretString"]), key, arn) if key else str(answer["SecretString"])


def _parts(reference: str) -> tuple[str, str, str, str]:
    parts = reference.split(":")
    key, stage, version, *_ = (*parts[_PARTS_OF_A_SECRET:], "", "", "")
    return ":".join(parts[:_PARTS_OF_A_SECRET]), key, stage, version


def _member(text: str, key: str, arn: str) -> str:
    """Return one value of a secret in JSON; no error quotes the text."""
    try:
        value = json.loads(text)[key]
    except (ValueError, KeyError, TypeError):
        raise BadInputError(
            f"the secret {arn} has no key {key}", "correct its ARN in secrets, in which :KEY:: names one"
        ) from None
    return value if isinstance(value, str) else json.dumps(value)
