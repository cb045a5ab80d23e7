"""Manifests of Kubernetes and the values of Helm charts, read line by line: probes, ports and commands of the service's containers.

Variables are not read, because their values are production's.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

from slipway.finder.compose import SERVERS, commands_of_compose
from slipway.finder.tree import Tree

_FILES: Final = r"(?:\.\./)*(?:[\w-]+/)?(?:k8s|kubernetes|kustomize|manifests|helm|charts?|openshift|deploy(?:ment)?s?|infra|ops)/(?:[\w.-]+/)*[\w.-]+\.ya?ml|(?:[\w-]+/)?(?:deployment|k8s|values)[\w.-]*\.ya?ml"
_RUNS: Final = re.compile(r"^kind:\s*[\"']?(?:Deployment|StatefulSet|DeploymentConfig|Job|CronJob)\b", re.MULTILINE)
_VALUES: Final = re.compile(r"(?:.*/)?values[\w.-]*\.ya?ml")
_PROBED: Final = re.compile(r"Probe:|containerPort:|^\s*(?:command|args):", re.MULTILINE)
_CONTAINERS: Final = re.compile(r"(\s*)(?:-\s+)?(?:init)?[cC]ontainers:\s*(?:#.*)?")
_IMAGE: Final = re.compile(r"\b(?:image|repository):\s*[\"']?[\w{]")
_FOREIGN: Final = re.compile(
    r"\b(?:image|repository):\s*[\"']?\S*\b(?:postgres|redis|valkey|nginx|mysql|mariadb|mongo|rabbitmq|kafka|elastic|opensearch|minio|envoy|proxy"
    r"|memcached|traefik|pgbouncer|busybox|node|frontend|grafana|prometheus|loki|keycloak|vault|fluent|datadog|opentelemetry|exporter)",
)
_PROBES: Final = ("readinessProbe", "startupProbe", "livenessProbe")
_KEY: Final = re.compile(r"(\s*)(?:-\s+)?([\w-]+):")
_PATH: Final = re.compile(r"\s*(?:-\s+)?path:\s*[\"']?(/[\w/.-]*)[\"']?\s*(?:#.*)?")
_PORT: Final = re.compile(r"\s*(?:-\s+)?(?:containerPort|targetPort|port):\s*[\"']?(\d{2,5})[\"']?\s*(?:#.*)?")

Line = tuple[str, str]


@dataclass(frozen=True)
class Container:
    """The lines of a container, or of a chart's values, each with its place."""

    lines: tuple[Line, ...]

    def health_paths(self) -> Iterator[tuple[str, str]]:
        """Yield the places and paths of its probes, that of readiness first."""
        for probe in _PROBES:
            yield from ((place, match[1]) for place, line in self._below(probe) if (match := _PATH.fullmatch(line)))

    def ports(self) -> Iterator[tuple[str, str]]:
        """Yield the places and numbers of its ports, then those of its probes."""
        lines = [(place, line) for place, line in self.lines if "containerPort" in line]
        lines += [each for probe in _PROBES for each in self._below(probe)]
        yield from ((place, match[1]) for place, line in lines if (match := _PORT.fullmatch(line)))

    def command(self) -> tuple[str, tuple[str, ...]] | None:
        """Return the place and the words of its command and arguments; None when the image's command or that of a template runs."""
        lines = [(place, re.sub(r"^(\s*)- (?=(?:command|args):)", r"\1  ", line)) for place, line in self.lines]
        lines = [(place, re.sub(r"^(\s*)args:", r"\1command:", line)) for place, line in lines]
        found = [*commands_of_compose(lines)]
        words = tuple(word for _, each in found for word in each)
        return (found[0][0], words) if words and "{{" not in " ".join(words) else None

    def _below(self, key: str) -> Iterator[Line]:
        """Yield the lines below a key that belong to its value."""
        depth = None
        for place, line in self.lines:
            indent = len(line) - len(line.lstrip())
            if depth is not None and line.strip() and indent <= depth:
                depth = None
            if depth is not None:
                yield place, line
            elif (match := _KEY.match(line)) and match[2] == key:
                depth = indent


def containers(tree: Tree) -> Iterator[Container]:
    """Yield the containers of the service, without those of databases, proxies and the like."""
    for name in tree.matching(_FILES):
        text = tree.read(name)
        if name.startswith("../") and not re.search(rf"\b{re.escape(posixpath.basename(tree.path))}\b", name):
            continue  # of another service of the repository
        lines = [*tree.lines(name)]
        if _VALUES.fullmatch(name) and _PROBED.search(text):
            found = [lines] if _IMAGE.search(text) else []  # without an image they are those of another program's chart
        else:
            found = [*_of_manifest(lines)] if _RUNS.search(text) else []
        yield from (
            Container(tuple(each)) for each in found if not _FOREIGN.search("\n".join(text for _, text in each))
        )


def serving(tree: Tree) -> list[Container]:
    """Return the containers that start a server of Python; all containers when none does."""
    found = [*containers(tree)]
    commands = [(each, each.command() or ("", ())) for each in found]
    return [
        each for each, (_, words) in commands if any(server in word for word in words for server in SERVERS)
    ] or found


def _of_manifest(lines: list[Line]) -> Iterator[list[Line]]:
    """Yield the lines of each container of a manifest."""
    for at, (_, line) in enumerate(lines):
        if not (match := _CONTAINERS.fullmatch(line)):
            continue
        depth = len(match[1])
        own = [*takewhile(lambda each: _belongs(each[1], depth), lines[at + 1 :])]  # noqa: B023 -- used at once
        items = [index for index, (_, text) in enumerate(own) if text.lstrip().startswith("- ")]
        first = min((_indent(own[index][1]) for index in items), default=0)
        starts = [index for index in items if _indent(own[index][1]) == first]
        yield from (own[start:end] for start, end in pairwise((*starts, len(own))))


def _belongs(line: str, depth: int) -> bool:
    """Return whether a line is below a key at a depth, or an item of its list."""
    return not line.strip() or _indent(line) > depth or (_indent(line) == depth and line.lstrip().startswith("- "))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
