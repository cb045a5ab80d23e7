"""The services of one repository, and the proofs of all of them."""

from dataclasses import dataclass

from slipway.records.form import Record
from slipway.records.proof import Proof, Verdict
from slipway.records.refusal import Refusal


@dataclass(frozen=True)
class Service:
    """A folder with `[tool.slipway]`, relative to its repository. `name` is the name in the table; empty when it has none.

    - calls: the names of the services that it calls.
    """

    folder: str
    name: str = ""
    calls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Services(Record, schema="slipway/services/1"):
    """The services of a repository, by folder.

    - unchanged: the services that `--changed` leaves out.
    - since: the git ref with which `--changed` compared.
    """

    services: tuple[Service, ...]
    unchanged: tuple[Service, ...] = ()
    since: str = ""


@dataclass(frozen=True)
class ServiceProof:
    """The proof of the service in a folder, or every reason why it could not be made."""

    folder: str
    proof: Proof | None = None
    refusals: tuple[Refusal, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of `slipway gate` in this folder alone."""
        if self.proof is None:
            return max(refusal.exit_code for refusal in self.refusals)
        return 1 if self.proof.failures and not self.proof.advisory else 0


@dataclass(frozen=True)
class Proofs(Record, schema="slipway/proofs/1"):
    """The proofs of all services of a repository.

    - unchanged: the folders that `--changed` leaves out.
    - since: the git ref with which `--changed` compared.
    """

    services: tuple[ServiceProof, ...]
    unchanged: tuple[str, ...] = ()
    since: str = ""

    @property
    def exit_code(self) -> int:
        """The highest exit code of all services."""
        return max((service.exit_code for service in self.services), default=0)

    @property
    def proven(self) -> tuple[Proof, ...]:
        """The proofs that exist, with names of files relative to the repository."""
        return tuple(service.proof.in_repository() for service in self.services if service.proof)

    @property
    def verdict(self) -> Verdict:
        """PASS only when every service has a proof and none failed."""
        every = len(self.proven) == len(self.services) and all(each.verdict is Verdict.PASS for each in self.proven)
        return Verdict.PASS if every else Verdict.FAIL
