"""Push an image, and name it by digest only."""

import json
import re
from dataclasses import dataclass

import dagger
from dagger import dag

from slipway.errors import BadInputError
from slipway.oci import registry as registries
from slipway.oci.artifact import normalised_sbom, sbom_artifact
from slipway.records.image import Reference
from slipway.release.aws import ecr
from slipway.release.aws.client import Aws, Keys

_ADDRESS = re.compile(
    r"(?:localhost|[\w-]+(?:\.[\w-]+)+|[\w.-]+(?=:)|\[[0-9a-f:]+\])(?::\d+)?"  # a host with a dot or a port
    r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+(?::\w[\w.-]{0,127})?",
    re.ASCII,
)


@dataclass(frozen=True)
class RegistryLogin:
    """Credentials of the user who pushes."""

    user: str
    password: dagger.Secret


def check_address(address: str) -> None:
    """Raise BadInputError for an address with a digest, or without a registry, which an engine would expect on Docker Hub."""
    if not _ADDRESS.fullmatch(address):
        raise BadInputError(
            f"--address is {address!r}, which is no registry/repository:tag",
            "name one, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/notes:1.4.0",
        )


async def signed_in(
    address: str, keys: Keys | None, registry: dagger.Service | None = None, simulated: str | None = None
) -> RegistryLogin | None:
    """Return a twelve-hour login from ECR for AWS credentials; None for a registry that needs none.

    `simulated` is the region of `registry`, whose address contains none.
    """
    host = address.partition("/")[0]
    region = ecr.region_of(host) or (simulated if registry else None)
    if keys is None:
        if ecr.region_of(host):
            raise BadInputError(
                f"{host} takes no image without a login", 'add --credentials "cmd://aws configure export-credentials"'
            )
        return None
    if region is None:
        raise BadInputError(f"{host} is no registry of AWS", "sign in with --username and --password")
    url = await (await registry.start()).endpoint(scheme="http") if registry else None
    _, login = await ecr.sign_in(Aws(region, url, keys))
    return RegistryLogin(login.user, dag.set_secret("ecr-password", login.password))


async def publish(
    image: dagger.Container, address: str, login: RegistryLogin | None, registry: dagger.Service | None
) -> Reference:
    """Push an image. Return `repository@sha256:…` without the tag, which only the engine needs."""
    if login is not None:  # set last, so that a new password does not change the image's place in the cache
        image = image.with_registry_auth(address, login.user, login.password)
    pushed = await (image.publish(address, registry_service=registry) if registry else image.publish(address))
    tagged, _, digest = pushed.rpartition("@")
    head, slash, name = tagged.rpartition("/")
    return Reference.parse(f"{head}{slash}{name.partition(':')[0]}@{digest}")


async def attach(document: str, image: Reference, login: RegistryLogin | None, registry: dagger.Service | None) -> str:
    """Push a bill of materials that refers to an image. Return its digest."""
    host, _, repository = image.repository.partition("/")
    url = await registry.endpoint(scheme="http") if registry else f"https://{host}"
    signed = registries.Login(login.user, await login.password.plaintext()) if login else None
    async with registries.opened(url, repository, signed) as opened:
        content = await opened.manifest_content(image.digest)
        subject = {"mediaType": json.loads(content)["mediaType"], "digest": image.digest, "size": len(content)}
        return await opened.push(sbom_artifact(normalised_sbom(document), subject))
