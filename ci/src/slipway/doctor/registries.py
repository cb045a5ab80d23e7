"""The registries of the base images that an engine pulls."""

from collections.abc import Iterator, Mapping
from importlib.resources import files

import slipway
from slipway.doctor.check import DoctorOptions
from slipway.errors import RefusedError
from slipway.settings import Images
from slipway.structure import write

_SECONDS = 2  # of silence
_DOCKER_HUB = "registry-1.docker.io"


def registry(options: DoctorOptions) -> str:
    """Check that every registry answers; raises RefusedError."""
    options.check_online()
    hosts = sorted(_registries(options))
    silent = [f"{host} {problem}" for host in hosts if (problem := _problem(host))]
    if silent:
        raise RefusedError(
            "; ".join(silent), "check the network and its proxy, or use a mirror in [tool.slipway.images]"
        )
    return f"{' and '.join(hosts)} answer{'s' if len(hosts) == 1 else ''}"


def _registries(options: DoctorOptions) -> set[str]:
    settings = options.settings()
    images = settings.images if settings else Images()
    return {_registry(image) for image in _images(write(images))}


def _images(named: Mapping[str, str | None]) -> Iterator[str]:
    """Yield the images in the settings, or the pinned ones; those are read as data, since doctor must not import the graph."""
    for pinned in (files(slipway) / "graph/images").iterdir():
        other = named.get(pinned.name.partition("-")[0])
        yield other or (pinned / "Dockerfile").read_text(encoding="utf-8").split()[1]


def _registry(image: str) -> str:
    """Return the host of a reference: its first part if it has a dot or a port, as in Docker."""
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named and first != "docker.io" else _DOCKER_HUB


def _problem(host: str) -> str | None:
    """Return None if the host is a registry: 200, or 401 without a login (distribution spec, API version check)."""
    import httpx

    scheme = "http" if host.partition(":")[0] in {"localhost", "127.0.0.1"} else "https"
    try:
        answer = httpx.get(f"{scheme}://{host}/v2/", timeout=_SECONDS, trust_env=scheme == "https")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"does not answer ({type(error).__name__})"
    return None if answer.status_code in {200, 401} else f"answers {answer.status_code}"
