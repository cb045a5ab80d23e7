"""What a service is given by ARN, out of Secrets Manager and Parameter Store: the one place that knows how such an ARN is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.simulator.secrets import Secrets
from slipway.simulator.ssm import Parameters

_PARTS_OF_SECRET = 7  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME


@dataclass(frozen=True)
class References:
    """Values by the ARNs under which services name them."""

    secrets: Secrets = field(default_factory=Secrets)
    parameters: Parameters = field(default_factory=Parameters)

    def value(self, reference: str) -> str | None:
        """None when it leads nowhere. A name alone is a parameter's [G]; after a secret's name may come a key of its JSON."""
        arn, key = _split(reference)
        if not arn.startswith("arn:") or ":ssm:" in arn:
            return self.parameters.value(arn)
        value = self.secrets.value(arn)
        return value if value is None or not key else _member(value, key)

    def put(self, reference: str, value: str) -> None:
        """Let it lead to a value; other keys of a secret's JSON stay."""
        arn, key = _split(reference)
        if not arn.startswith("arn:") or ":ssm:" in arn:
            self.parameters.put(arn.partition(":parameter")[2] or arn, value)
        elif key:
            self.secrets.put(arn, json.dumps(_document(self.secrets.value(arn) or "{}") | {key: value}))
        else:
            self.secrets.put(arn, value)


def _split(reference: str) -> tuple[str, str]:
    """A secret's ARN, and the key in what may follow: `:KEY:STAGE:VERSION`, as in ECS task definitions; on App Runner †."""
    parts = reference.split(":")
    if ":secretsmanager:" not in reference or len(parts) <= _PARTS_OF_SECRET:
        return reference, ""
    return ":".join(parts[:_PARTS_OF_SECRET]), parts[_PARTS_OF_SECRET]


def _document(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return dict(document) if isinstance(document, Mapping) else {}


def _member(text: str, key: str) -> str | None:
    found = _document(text).get(key)
    return found if isinstance(found, str) or found is None else json.dumps(found)
