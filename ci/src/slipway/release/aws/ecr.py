"""ECR as slipway needs it: where to push, and whether a digest is there."""

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
    """Where a repository can be reached: the registry's URL, how to sign in, and the URI by which services name it."""

    url: str
    login: Login
    uri: str


def region_of(host: str) -> str | None:
    """The region of a registry of ECR's, or None for any other registry."""
    found = _HOST.fullmatch(host)
    return found[1] if found else None


def check_repository(given: Reference, wanted: Reference) -> None:
    """Raises BadInputError for an image that is not in the repository from which the environment deploys."""
    if given.repository not in (wanted.repository, wanted.repository.partition("/")[2]):
        raise BadInputError(
            f"the image is in {one_line(given.repository)}, and this environment deploys from {wanted.repository}",
            "push it there, or correct name, account and region in the settings",
        )


async def sign_in(aws: Aws) -> tuple[str, Login]:
    """The registry's URL and a login that is good for twelve hours."""
    answer = await aws.call("ecr", "get_authorization_token")
    data = answer["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return data["proxyEndpoint"], Login(user, password)


async def place_of(aws: Aws, repository: str) -> Place:
    """The repository, which must be there; raises SlipwayError."""
    found = await aws.call("ecr", "describe_repositories", repositoryNames=[repository])
    url, login = await sign_in(aws)
    return Place(url, login, found["repositories"][0]["repositoryUri"])
