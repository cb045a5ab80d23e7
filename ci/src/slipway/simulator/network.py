"""The account's subnets, as far as load balancers and tasks depend on them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

DEFAULT_VPC = "vpc-0default"
_ZONES = "abc"


@dataclass(frozen=True)
class Subnet:
    """A subnet; a public one routes to an internet gateway."""

    id: str
    zone: str  # the letter of its availability zone
    public: bool = True
    free: int = 250  # addresses
    vpc: str = DEFAULT_VPC


@dataclass
class Network:
    """Subnets by id; those that were not created here count as public subnets of one VPC, in a zone each."""

    subnets: dict[str, Subnet] = field(
        default_factory=lambda: {f"subnet-0{zone}": Subnet(f"subnet-0{zone}", zone) for zone in _ZONES}
    )

    def put(self, *subnets: Subnet) -> None:
        self.subnets |= {subnet.id: subnet for subnet in subnets}

    def default(self) -> list[str]:
        """Return the public subnets of the default VPC."""
        return [subnet.id for subnet in self.subnets.values() if subnet.public and subnet.vpc == DEFAULT_VPC]

    def at(self, ids: Iterable[str]) -> list[Subnet]:
        made_up = (Subnet(name, _ZONES[index % len(_ZONES)]) for index, name in enumerate(ids))
        return [self.subnets.get(subnet.id, subnet) for subnet in made_up]
