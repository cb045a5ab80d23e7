"""Access to a service's database: the roles on its server, the database, and what each role may do there."""

from dataclasses import dataclass

from slipway.records.form import Record


@dataclass(frozen=True, kw_only=True)
class AccessDifference:
    """A difference between what a database server should have and what it has.

    - subject: such as "role notes" or "schema public of notes".
    - expected, actual: untrusted texts, which contain no password.
    - remedy: the next step for a person; empty when `slipway bootstrap --apply` removes the difference.
    """

    subject: str
    expected: str
    actual: str
    remedy: str = ""


@dataclass(frozen=True)
class ServerAccess(Record, schema="slipway/server-access/1"):
    """The differences on a database server; when `is_made` is true, bootstrap has removed them."""

    differences: tuple[AccessDifference, ...]
    is_made: bool
