"""Push an image and name it by digest, and by nothing else."""

import dagger

from slipway.oci.content import Reference


async def publish(
    image: dagger.Container,
    address: str,
    username: str,
    password: dagger.Secret | None,
    registry: dagger.Service | None,
) -> str:
    """Answers `repository@sha256:…`; the tag that the engine needs for pushing is left out of the answer."""
    if password is not None:  # last, so that a fresh password leaves the image in the cache
        image = image.with_registry_auth(address, username, password)
    pushed = await (image.publish(address, registry_service=registry) if registry else image.publish(address))
    tagged, _, digest = pushed.rpartition("@")
    head, slash, name = tagged.rpartition("/")
    return str(Reference.parse(f"{head}{slash}{name.partition(':')[0]}@{digest}"))
