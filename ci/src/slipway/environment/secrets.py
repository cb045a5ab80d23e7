"""The secrets of an environment: which of them exist, and new values for them.

Values are never read, returned or recorded.
"""

import re
from typing import Final

from slipway.environment.opened import NO_DIGEST, OpenEnvironment
from slipway.errors import BadInputError, RefusedError
from slipway.records.checks import SecretList, SecretVersion
from slipway.release.aws.references import parts_of_secret
from slipway.release.errors import or_absent
from slipway.release.preflight.named import checks_of_secrets

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MOST_BYTES: Final = 65536  # [M]


async def secrets(environment: OpenEnvironment) -> SecretList:
    """Return whether each secret in the settings exists."""
    checks = await checks_of_secrets(environment.aws, environment.spec(NO_DIGEST))
    return SecretList(environment=environment.name, checks=checks)


def check_name(name: str) -> None:
    """Raise BadInputError when the name is not a variable's.

    The error does not repeat the name, because it may contain a value.
    """
    if not _VARIABLE.fullmatch(name):
        raise BadInputError(
            "the secret's name cannot be the name of a variable", "pass the name alone; its value is asked for"
        )


async def set_secret(environment: OpenEnvironment, name: str, value: str) -> SecretVersion:
    """Store a new version of the secret for a variable. When there is no secret, create SERVICE/VARIABLE."""
    check_name(name)
    if not value or len(value.encode()) > _MOST_BYTES:
        raise BadInputError(f"the value of {name} is empty or larger than {_MOST_BYTES} bytes", "pass another value")
    arn = _arn(environment, name)
    if arn and (version := await _put(environment, arn, value)):
        return SecretVersion(environment=environment.name, name=name, arn=arn, version=version)
    own = f"{environment.service}/{name}"
    create = environment.aws.call("secretsmanager", "create_secret", Name=own, SecretString=value)
    made = await or_absent(create, "ResourceExistsException")
    if made is None:
        made = await environment.aws.call("secretsmanager", "put_secret_value", SecretId=own, SecretString=value)
    setting = f'{name} = "{made["ARN"]}"'
    return SecretVersion(
        environment=environment.name, name=name, arn=made["ARN"], version=made["VersionId"], setting=setting
    )


def _arn(environment: OpenEnvironment, name: str) -> str | None:
    """Return the ARN of the secret for a variable in the settings; None without one.

    Raise RefusedError for an SSM parameter, and for a single key of a secret.
    """
    reference = environment.own_settings.secrets.get(name)
    if reference is None:
        return None
    arn, key, *_ = parts_of_secret(reference)
    if ":secretsmanager:" not in reference:
        remedy = f"aws ssm put-parameter --type SecureString --overwrite --name {reference.partition(':parameter')[2]}"
        raise RefusedError(f"{name} is a parameter of SSM, and slipway writes to Secrets Manager only", remedy)
    if key:
        remedy = f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string file://DOCUMENT"
        raise RefusedError(f"{name} is the key {key} of a secret with several values", remedy)
    return arn


async def _put(environment: OpenEnvironment, arn: str, value: str) -> str | None:
    """Return the id of a new version; None when there is no such secret."""
    put = environment.aws.call("secretsmanager", "put_secret_value", SecretId=arn, SecretString=value)
    answer = await or_absent(put, "ResourceNotFoundException")
    return str(answer["VersionId"]) if answer else None
