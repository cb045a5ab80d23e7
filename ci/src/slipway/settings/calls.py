"""The services of one repository and their calls: the calls between them, and the order of a release, callees first. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from slipway.errors import Obstacles, SlipwayError
from slipway.settings.environment import Environment, TargetKind
from slipway.settings.network import ManagedNetwork
from slipway.settings.service import Settings, SettingsError

_ON_APP_RUNNER = (
    "on App Runner a service has a private address only with a VPC ingress connection, which slipway does not make",
    'choose target = "ecs-express" for it, or write its address into the variables of the caller',
)


@dataclass(frozen=True)
class CallGraph:
    """The settings of services, by name. All calls are between these services, and no calls form a cycle."""

    services: Mapping[str, Settings]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The names in the order of deployment: each after the services that it calls, otherwise alphabetical."""
        sorter = TopologicalSorter({name: each.calls for name, each in self.services.items()})
        sorter.prepare()
        ordered: list[str] = []
        while sorter:
            ready = sorted(sorter.get_ready())
            ordered += ready
            sorter.done(*ready)
        return tuple(ordered)

    def callers(self, callee: str) -> tuple[str, ...]:
        return tuple(name for name in self.order if callee in self.services[name].calls)


def graph_of(folders: Mapping[str, Settings]) -> CallGraph:
    """Return the graph of services, whose settings are given by folder.

    Raise SettingsError, or ObstaclesError with every call to an unknown service and every cycle.
    """
    obstacles = Obstacles()
    named: dict[str, str] = {}
    for folder, settings in folders.items():
        if (other := named.setdefault(settings.name, folder)) != folder:
            obstacles.found.append(
                SettingsError(f"the services in {other} and {folder} are both called {settings.name}", "rename one")
            )
    services = {name: folders[folder] for name, folder in named.items()}
    obstacles.found += _unknown(services)
    if not obstacles.found:
        obstacles.found += _cycles(services)
    obstacles.refuse()
    return CallGraph(services)


def _unknown(services: Mapping[str, Settings]) -> Iterator[SlipwayError]:
    for name, settings in services.items():
        for callee in settings.calls:
            if callee not in services:
                others = sorted(services.keys() - {name})
                close = get_close_matches(callee, others, 1)
                hint = f"did you mean {close[0]}? " if close else ""
                yield SettingsError(
                    f"{name} calls {callee}, which is no service of this repository",
                    f"{hint}it has {', '.join(others) or 'no other'}; correct calls in [tool.slipway] of {name}",
                )


def _cycles(services: Mapping[str, Settings]) -> Iterator[SlipwayError]:
    """Yield an error for each cycle of calls.

    After each error, one call of that cycle is removed to find the next cycle.
    """
    calls = {name: set(each.calls) for name, each in services.items()}
    while True:
        try:
            TopologicalSorter(calls).prepare()
        except CycleError as error:
            way = list(reversed(error.args[1]))  # the caller first
            least = way.index(min(way))
            way = [*way[least:-1], *way[:least], way[least]]
            calls[way[0]].discard(way[1])
            yield SettingsError(
                f"the calls of {' -> '.join(way)} form a cycle, in which no service can be deployed first",
                "remove one of these calls from its settings, or join the services",
            )
        else:
            return


def check_reachable(graph: CallGraph, name: str, environment: str) -> None:
    """Raise SettingsError when a service calls another one without a private address; ObstaclesError for several."""
    obstacles = Obstacles()
    obstacles.found += unreachable(graph, name, environment)
    obstacles.refuse()


def unreachable(graph: CallGraph, name: str, environment: str) -> Iterator[SlipwayError]:
    """Yield an error for each called service without a private address in an environment."""
    caller = graph.services[name].environments.get(environment)
    for callee in graph.services[name].calls if caller else ():
        assert caller is not None
        env = graph.services[callee].environments.get(environment)
        table = f"[tool.slipway.environments.{environment}]"
        if env is None:
            yield SettingsError(
                f"{name} calls {callee}, which is not in {environment}", f"add {table} to the settings of {callee}"
            )
        elif (env.account, env.region) != (caller.account, caller.region):
            yield SettingsError(
                f"{name} calls {callee}, which is in {env.region} of {env.account} and not in {caller.region} of {caller.account}",
                f"a private address is only for services of the same account and region: correct {table} of one service",
            )
        elif why := _why_not(caller, env):
            what, remedy = why
            yield SettingsError(f"{name} cannot reach {callee} privately in {environment}: {what}", remedy)


def _why_not(caller: Environment, callee: Environment) -> tuple[str, str] | None:
    """Return why a callee has no private address for a caller, and the remedy; None when the callee has such an address."""
    if callee.target is TargetKind.APP_RUNNER:
        return _ON_APP_RUNNER
    if callee.network is None:
        return "the callee is in no network", "add a network table with managed = true and private = true to it"
    if isinstance(callee.network, ManagedNetwork) and not callee.network.private:
        what = "the callee's tasks are in public subnets, behind a public load balancer"
        return what, "set private = true in its network"
    if caller.network is None:
        return "the caller is in no network", "give it the network of the callee"
    vpcs = [None if isinstance(each, ManagedNetwork) else each.vpc for each in (caller.network, callee.network)]
    if vpcs[0] != vpcs[1]:
        return "they are in different networks", "give both the same network"
    return None
