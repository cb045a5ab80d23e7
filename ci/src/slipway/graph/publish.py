"""Push an image and name it by digest, and by nothing else."""

import json
from dataclasses import dataclass

import dagger

from slipway.oci import registry as registries
from slipway.oci import sbom
from slipway.oci.content import Reference


@dataclass(frozen=True)
class Login:
    """Who pushes."""

    user: str
    password: dagger.Secret


async def publish(
    image: dagger.Container, address: str, login: Login | None, registry: dagger.Service | None
) -> Reference:
    """Answers `repository@sha256:…`; the tag that the engine needs for pushing is left out of the answer."""
    if login is not None:  # last, so that a fresh password leaves the image in the cache
        image = image.with_registry_auth(address, login.user, login.password)
    pushed = await (image.publish(address, registry_service=registry) if registry else image.publish(address))
    tagged, _, digest = pushed.rpartition("@")
    head, slash, name = tagged.rpartition("/")
    return Reference.parse(f"{head}{slash}{name.partition(':')[0]}@{digest}")


async def attach(document: str, image: Reference, login: Login | None, registry: dagger.Service | None) -> str:
    """Push a bill of materials that refers to an image; answers its digest."""
    host, _, repository = image.repository.partition("/")
    url = await registry.endpoint(scheme="http") if registry else f"https://{host}"
    signed = registries.Login(login.user, await login.password.plaintext()) if login else None
    async with registries.opened(url, repository, signed) as there:
        content = await there.manifest_content(image.digest)
        subject = {"mediaType": json.loads(content)["mediaType"], "digest": image.digest, "size": len(content)}
        return await there.push(sbom.artifact(sbom.normalised(document), subject))
