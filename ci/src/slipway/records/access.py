"""Access to a service's database: the roles on its server, the database, and what each role may do there."""

from dataclasses import dataclass

from slipway.records.form import Record


@dataclass(frozen=True, kw_only=True)
class AccessDifference:
    """A fact that is not as it should be. Passwords are in neither value; both are untrusted.

    - subject: such as "role notes" or "schema public of notes".
    - remedy: what a person has to do; empty where `slipway bootstrap --apply` does it.
    """

    subject: str
    expected: str
    actual: str
    remedy: str = ""


@dataclass(frozen=True)
class ServerAccess(Record, schema="slipway/server-access/1"):
    """The differences on a server; with `is_made` those that were mended."""

    differences: tuple[AccessDifference, ...]
    is_made: bool
