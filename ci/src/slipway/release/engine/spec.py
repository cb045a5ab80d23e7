"""The desired service of an environment, field by field."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.records.image import Reference

ABSENT = "none"


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """A desired service; a target adds the fields of its own. cpu in units (1024 is one vCPU), memory in MB."""

    environment: str
    name: str
    image: Reference
    port: int
    health_path: str | None
    cpu: int
    memory: int
    access_role: str
    instance_role: str | None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, str]:
        """Return the fields besides variables and secrets, by their names in a plan."""
        return {
            "image": str(self.image),
            "port": str(self.port),
            "health check": health_check(self.health_path),
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            "access role": self.access_role,
            "instance role": self.instance_role or ABSENT,
        }

    def fields(self) -> dict[str, str]:
        """Return every field by its name in a plan. Variables appear as hashes, because a value may be a secret."""
        variables = {f"variable {name}": hashed(value) for name, value in self.variables.items()}
        return self.plain() | variables | {f"secret {name}": arn for name, arn in self.secrets.items()}

    @property
    def hash(self) -> str:
        """The service's identity: it changes with any field or value."""
        return hashed(json.dumps(self.fields(), sort_keys=True))


def health_check(path: str | None) -> str:
    """Return a health check as a plan names it."""
    return f"HTTP {path}" if path else "TCP"


def hashed(value: str) -> str:
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:12]}"
