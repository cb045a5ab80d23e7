"""ECR repositories: where to push, how to sign in, which one an environment deploys from."""

import base64
import re
from dataclasses import dataclass

from slipway.errors import BadInputError
from slipway.oci.registry import Login
from slipway.records.image import Reference
from slipway.release.aws.client import Aws
from slipway.untrusted import one_line

_HOST = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True)
class Place:
    """A repository: its registry's URL, a login, and the URI by which services name it."""

    url: str
    login: Login
    uri: str


def region_of(host: str) -> str | None:
    """Return the region of an ECR registry; None for any other registry."""
    match = _HOST.fullmatch(host)
    return match[1] if match else None


def check_repository(image: Reference, wanted: Reference, *, simulated: bool = False) -> None:
    """Raise BadInputError for an image outside of the repository from which the environment deploys.

    The registry of a `simulated` account has an address of this machine, from which an image was pushed to the same name.
    """
    name = wanted.repository.partition("/")[2]
    allowed = (wanted.repository, name, *((f"{image.repository.partition('/')[0]}/{name}",) if simulated else ()))
    if image.repository not in allowed:
        raise BadInputError(
            f"the image is in {one_line(image.repository)}, and this environment deploys from {wanted.repository}",
            "push it there, or correct name, account and region in the settings",
        )


async def sign_in(aws: Aws) -> tuple[str, Login]:
    """Return the registry's URL and a login that is valid for twelve hours."""
    response = await aws.call("ecr", "get_authorization_token")
    data = response["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return data["proxyEndpoint"], Login(user, password)


async def place_of(aws: Aws, repository: str) -> Place:
    """Return a repository; raises SlipwayError when it does not exist."""
    response = await aws.call("ecr", "describe_repositories", repositoryNames=[repository])
    url, login = await sign_in(aws)
    return Place(url, login, response["repositories"][0]["repositoryUri"])
