"""Secrets and parameters that the settings name by ARN, resolved on demand; never logged or stored."""

import json

from slipway.errors import BadInputError
from slipway.release.aws.client import Aws


async def value_of(aws: Aws, reference: str) -> str:
    """Return a secret of Secrets Manager, one key of it, or a parameter of SSM; raises SlipwayError."""
    if ":ssm:" in reference:
        answer = await aws.call("ssm", "get_parameter", Name=reference, WithDecryption=True)
        return str(answer["Parameter"]["Value"])
    arn, key, stage, version = parts_of_secret(reference)
    which = ({"VersionStage": stage} if stage else {}) | ({"VersionId": version} if version else {})
    answer = await aws.call("secretsmanager", "get_secret_value", SecretId=arn, **which)
    if "SecretString" not in answer:
        raise BadInputError(f"the secret {arn} holds no text", "store it as text")
    return _member(str(answer["SecretString"]), key, arn) if key else str(answer["SecretString"])


def parts_of_secret(reference: str) -> tuple[str, str, str, str]:
    """Return a secret's ARN, and the JSON key, stage and version that may follow it in ECS and App Runner [G]; empty where they do not."""
    # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
    *arn, key, stage, version = (*reference.split(":"), "", "", "")[:10]
    return ":".join(arn), key, stage, version


def _member(text: str, key: str, arn: str) -> str:
    """Return one value of a secret in JSON; no error quotes the text."""
    try:
        value = json.loads(text)[key]
    except (ValueError, KeyError, TypeError):
        raise BadInputError(
            f"the secret {arn} has no key {key}", "correct its ARN in secrets, where :KEY:: names the key"
        ) from None
    return value if isinstance(value, str) else json.dumps(value)
