"""The private addresses of called services: they are read from the account and become variables of the caller.

An address is never computed: ECS chooses it, and a service that is deleted and created again may get another one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from slipway.environment.environment import ServiceEnvironment
from slipway.environment.opened import OpenEnvironment
from slipway.errors import Obstacles, RefusedError
from slipway.records.plan import Plan
from slipway.release.targets.supported import target_of
from slipway.settings import Settings, variable_of
from slipway.settings.calls import CallGraph, check_reachable, graph_of

E = TypeVar("E", bound=OpenEnvironment)


async def connected(environment: E, folders: Mapping[str, Settings]) -> E:
    """Return the environment with the addresses of the services that it calls.

    `folders` has the settings of the repository's services.
    Raise one error that lists all impossible calls and all callees that are not deployed yet.
    """
    return await connect(environment, graph_of(folders))


async def connect(environment: E, graph: CallGraph) -> E:
    """Return the environment with the addresses of the services that it calls, as `connected` does."""
    check_reachable(graph, environment.settings.name, environment.name)
    addresses = await addresses_of(environment, graph)
    obstacles = Obstacles()
    obstacles.found += _absent(environment, addresses)
    obstacles.refuse()
    return environment.with_addresses({variable: address for variable, address in addresses.items() if address})


async def addresses_of(environment: OpenEnvironment, graph: CallGraph) -> dict[str, str]:
    """Return the address of each called service, by variable; an empty text for a service that does not exist.

    Raise RefusedError for a callee with a public address.
    """
    found: dict[str, str] = {}
    for callee in environment.settings.calls:
        called, name = graph.services[callee], environment.name
        # both services are in one account and region
        host = await target_of(called, name).private_host(called, name, environment.aws)
        found[variable_of(callee)] = environment.address_of(host) if host else ""
    return found


def _absent(environment: OpenEnvironment, addresses: Mapping[str, str]) -> Iterable[RefusedError]:
    for callee in environment.settings.calls:
        if not addresses[variable_of(callee)]:
            yield RefusedError(
                f"{environment.settings.name} calls {callee}, which has not been deployed in {environment.name} yet",
                f"deploy {callee} first, or both services with `slipway deploy --all`",
            )


def awaited(
    environment: ServiceEnvironment, addresses: Mapping[str, str]
) -> tuple[ServiceEnvironment, tuple[str, ...]]:
    """Return the environment for a plan, which may be made before the callees exist, and a note for each missing address."""
    missing = {variable_of(each): each for each in environment.settings.calls if not addresses[variable_of(each)]}
    known = {**addresses, **{variable: f"https://{callee}.invalid" for variable, callee in missing.items()}}
    return environment.with_addresses(known), tuple(map(_awaiting, missing.values()))


def comparable(plan: Plan, approved: Plan, calls: Iterable[str]) -> Plan:
    """Return a plan without the addresses that were unknown when it was approved.

    They come from AWS, and no setting changes them.
    """
    unknown = {f"variable {variable_of(callee)}" for callee in calls if _awaiting(callee) in approved.notes}
    return replace(plan, changes=tuple(change for change in plan.changes if change.name not in unknown))


def _awaiting(callee: str) -> str:
    return f"{variable_of(callee)} gets the address of {callee} when that is deployed"
