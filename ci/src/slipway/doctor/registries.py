"""The registries from which an engine pulls what images are built on."""

from collections.abc import Iterator, Mapping
from importlib.resources import files

import slipway
from slipway.doctor.question import Question
from slipway.errors import RefusedError
from slipway.settings import Images
from slipway.structure import write

_SECONDS = 2  # of silence
_DOCKER_HUB = "registry-1.docker.io"


def registry(question: Question) -> str:
    """Whether each is there; raises RefusedError."""
    question.ask_the_network()
    hosts = sorted(_registries(question))
    silent = [f"{host} {problem}" for host in hosts if (problem := _problem(host))]
    if silent:
        raise RefusedError(
            "; ".join(silent), "look at the network and its proxy, or name images of a mirror in [tool.slipway.images]"
        )
    return f"{' and '.join(hosts)} answer{'s' if len(hosts) == 1 else ''}"


def _registries(question: Question) -> set[str]:
    settings = question.settings()
    images = settings.images if settings else Images()
    return {_registry(image) for image in _images(write(images))}


def _images(named: Mapping[str, str | None]) -> Iterator[str]:
    """What the settings name, or else what is pinned; read as the data that it is, for a verb knows nothing of the graph."""
    for pinned in (files(slipway) / "graph/images").iterdir():
        other = named.get(pinned.name.partition("-")[0])
        yield other or (pinned / "Dockerfile").read_text(encoding="utf-8").split()[1]


def _registry(image: str) -> str:
    """The host in a reference: its first part, when that has a dot or a port, as Docker has it."""
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named and first != "docker.io" else _DOCKER_HUB


def _problem(host: str) -> str | None:
    """None when a registry answers that it is one: 200, or 401 to a stranger (distribution spec, API version check)."""
    import httpx

    scheme = "http" if host.partition(":")[0] in {"localhost", "127.0.0.1"} else "https"
    try:
        answer = httpx.get(f"{scheme}://{host}/v2/", timeout=_SECONDS, trust_env=scheme == "https")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"does not answer ({type(error).__name__})"
    return None if answer.status_code in {200, 401} else f"answers {answer.status_code}"
