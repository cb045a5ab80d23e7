"""The answers of both sides of a move to the smoke paths: status, content type, and the body where the old side repeats it."""

from dataclasses import dataclass

import httpx

from slipway.environment.observed import ObservedEnvironment
from slipway.errors import RefusedError
from slipway.oci.registry import certificates
from slipway.records.plan import Observed

_SECONDS = 10
_HERE = "HERE"  # in the place of a side's own address


@dataclass(frozen=True)
class Answer:
    """One answer; the body without the address of the side that gave it."""

    status: int
    kind: str
    body: str


async def difference(
    old: ObservedEnvironment, new: ObservedEnvironment, sides: tuple[Observed, Observed], *, bodies: bool
) -> str:
    """Return how the answers of the new side differ from those of the old one, otherwise nothing; `bodies` compares those too."""
    async with httpx.AsyncClient(timeout=_SECONDS, verify=certificates()) as client:
        for path in old.smoke_paths:
            before, again = [await _asked(client, old, sides[0], path) for _ in range(2)]
            after = await _asked(client, new, sides[1], path)
            if (before.status, before.kind) != (after.status, after.kind):
                return f"the old side answers {path} with {_shown(before)}, the new one with {_shown(after)}"
            if bodies and before == again and before.body != after.body:
                return f"both sides answer {path} with different bodies, and the old one repeats its own"
    return ""


def _shown(answer: Answer) -> str:
    return f"{answer.status} {answer.kind}".rstrip()


async def _asked(client: httpx.AsyncClient, side: ObservedEnvironment, observed: Observed, path: str) -> Answer:
    try:
        answer = await client.get(f"{side.address(observed)}{path}")
    except httpx.HTTPError as error:
        raise RefusedError(f"{observed.url} does not answer {path}", str(error) or type(error).__name__) from error
    body = answer.text.replace(observed.url or _HERE, _HERE)
    return Answer(answer.status_code, answer.headers.get("content-type", "").partition(";")[0], body)
