"""Build without a container engine: a commit becomes a source tree in a registry, named by digest."""

from datetime import UTC, datetime

from slipway import settings
from slipway.errors import BadInputError
from slipway.oci.registry import opened
from slipway.oci.tree import TreeConfig, pack
from slipway.records.image import Image, ImageKind
from slipway.release.aws.ecr import Place
from slipway.settings import Settings
from slipway.source.commit import Commit
from slipway.workload.dependencies import LOCKS


def settings_of(commit: Commit) -> Settings:
    """Read the settings of the commit, not of the work tree; raises SettingsError."""
    try:
        text = commit.text("pyproject.toml")
    except BadInputError:
        raise settings.SettingsError(
            f"the commit {commit.revision[:12]} has no pyproject.toml in {commit.folder}",
            "name the service's folder with --source",
        ) from None
    return settings.parse(text)


async def build(commit: Commit, wanted: Settings, place: Place) -> Image:
    """Build the artifact of a commit and push it; the same commit gives the same digest. Raises SlipwayError."""
    config = TreeConfig(wanted.command, wanted.port, {"GIT_REVISION": commit.revision})
    annotations = {
        "org.opencontainers.image.title": wanted.name,
        "org.opencontainers.image.revision": commit.revision,
        "org.opencontainers.image.created": datetime.fromtimestamp(commit.committed, UTC).isoformat(),
    }
    shipped = [file for file in commit.files() if ships(wanted, file.name)]
    for source in wanted.sources:
        if not any(_within(file.name, source) for file in shipped):
            raise BadInputError(f"sources of [tool.slipway] names {source!r}, which is not in the commit", "correct it")
    _check_lock(commit, {file.name.removeprefix("./") for file in shipped})
    artifact = pack(shipped, config, commit.committed, annotations)
    async with opened(place.url, wanted.name, place.login) as registry:
        digest = await registry.push(artifact)
    return Image(
        repository=place.uri,
        digest=digest,
        kind=ImageKind.TREE,
        revision=commit.revision,
        size=sum(len(layer.content) for layer in artifact.layers),
    )


def _check_lock(commit: Commit, names: set[str]) -> None:
    """Refuse a member of a uv workspace, whose lock is outside of its folder."""
    if not names.intersection(LOCKS) and (lock := commit.above("uv.lock")):
        raise BadInputError(
            f"the service's dependencies are in {lock}, the lock of a workspace, which is not part of its image",
            "create its own lock: uv export --frozen --no-dev --no-emit-workspace --output-file requirements.txt",
        )


def ships(wanted: Settings, name: str) -> bool:
    """Return whether a file is part of the release: pyproject.toml, .python-version, a lock, or a file under the settings' sources."""
    if not wanted.sources or name in ("pyproject.toml", ".python-version", *LOCKS):
        return True
    return any(_within(name, source) for source in wanted.sources)


def _within(name: str, source: str) -> bool:
    return name == source or name.startswith(f"{source.rstrip('/')}/")
