"""Amazon resource names, taken apart."""

from dataclasses import dataclass

_PARTS = 6


@dataclass(frozen=True)
class Arn:
    """`resource` is all that comes after the account; IAM has no region."""

    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn | None":
        """None when it is none."""
        parts = text.split(":", _PARTS - 1)
        if len(parts) < _PARTS or parts[0] != "arn" or not parts[5]:
            return None
        return cls(parts[2], parts[3], parts[4], parts[5])
