"""What a platform puts into a container's variables for an ARN: a secret, one key of a secret in JSON, or a parameter of SSM."""

import json
from collections.abc import Callable

Resolve = Callable[[str], str | None]
_PARTS_OF_A_SECRET = (
    7  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME, after which :KEY:STAGE:VERSION may stand [G]
)


def resolver(secret: Resolve, parameter: Resolve) -> Resolve:
    """From the values of whole secrets and of parameters by ARN; what is not there is None."""

    def resolve(reference: str) -> str | None:
        if ":ssm:" in reference:
            return parameter(reference)
        parts = reference.split(":")
        value = secret(":".join(parts[:_PARTS_OF_A_SECRET]))
        key = parts[_PARTS_OF_A_SECRET] if len(parts) > _PARTS_OF_A_SECRET else ""
        return value if not key or value is None else _member(value, key)

    return resolve


def _member(value: str, key: str) -> str | None:
    try:
        found = json.loads(value)[key]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else json.dumps(found)
