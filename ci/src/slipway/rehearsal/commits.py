"""The releases of a rehearsal: commits in a copy of the repository, and source trees built from them."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread

from slipway import settings
from slipway.errors import BadInputError
from slipway.oci.artifact import TreeConfig, pack
from slipway.oci.registry import opened
from slipway.records.image import Image, ImageKind
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import Place, place_of
from slipway.release.errors import or_absent
from slipway.settings import Settings
from slipway.simulator.contract import REGION
from slipway.source.commit import Commit, commit_at
from slipway.source.git import git
from slipway.workload.dependencies import LOCKS

_IDENTITY = {
    "GIT_AUTHOR_NAME": "slipway rehearse",
    "GIT_AUTHOR_EMAIL": "rehearse@slipway.invalid",
    "GIT_COMMITTER_NAME": "slipway rehearse",
    "GIT_COMMITTER_EMAIL": "rehearse@slipway.invalid",
}


class Commits:
    """A copy of a repository for new commits. The original is only read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def copied(cls, source: Path, workspace: Path) -> "Commits":
        """Copy the repository around `source`, and commit its uncommitted changes in the copy.

        Raise BadInputError without a repository.
        """
        commit_at(source)
        top = Path(git(source, ["rev-parse", "--show-toplevel"]).decode().strip())
        copy = workspace / "repository"
        git(workspace, ["clone", "--quiet", "--no-hardlinks", str(top), str(copy)])
        git(copy, ["checkout", "--quiet", "--detach", git(source, ["rev-parse", "HEAD"]).decode().strip()])
        commits = cls(copy / source.resolve().relative_to(top.resolve()))
        commits._take_over_changes(top, copy)
        return commits

    @property
    def head(self) -> Commit:
        return commit_at(self._folder)

    def again(self, base: Commit, subject: str) -> Commit:
        """Add a commit with the same files as `base`."""
        git(self._folder, ["checkout", "--quiet", "--detach", base.revision])
        self._git(["commit", "--quiet", "--allow-empty", "--message", subject])
        return self.head

    def patched(self, base: Commit, patch: str) -> Commit:
        """Apply a `git format-patch` file to `base`. Raise BadInputError when it does not apply."""
        git(self._folder, ["checkout", "--quiet", "--detach", base.revision])
        file = self._folder / patch
        if not file.is_file():
            raise BadInputError(
                f"there is no {patch}", "correct [tool.slipway.rehearsal]; paths are relative to pyproject.toml"
            )
        try:
            self._git(["am", "--quiet", "--3way", str(file)])
        except BadInputError as error:
            raise BadInputError(
                f"{patch} does not apply to {base.revision[:12]}",
                f"create it again with git format-patch ({error.next_step})",
            ) from error
        return self.head

    def _take_over_changes(self, top: Path, copy: Path) -> None:
        """Commit the files of the work tree that differ from HEAD, except ignored ones."""
        differing = ["ls-files", "-z", "--modified", "--others", "--deleted", "--exclude-standard"]
        listed = git(top, differing), git(top, ["diff", "-z", "--cached", "--name-only"])
        for name in {name for names in listed for name in names.decode().split("\0") if name}:
            _copy(top / name, copy / name)
        self._git(["add", "--all", "--force"])  # an ignored file is here only when it was staged, so force is right
        if git(copy, ["status", "--porcelain"]):
            self._git(["commit", "--quiet", "--message", "Uncommitted changes"])

    def _git(self, arguments: Sequence[str]) -> None:
        plain = ["-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]
        git(self._folder, [*plain, *arguments], dict(os.environ) | _IDENTITY)


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink() or source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    else:
        target.unlink(missing_ok=True)


def settings_of(commit: Commit) -> Settings:
    """Read the settings in the commit, not those in the work tree. Raise SettingsError when they cannot be used."""
    for name in settings.FILES:
        with suppress(BadInputError):
            text = commit.text(name)
            break
    else:
        raise settings.MissingTableError(
            f"the commit {commit.revision[:12]} has neither {' nor '.join(settings.FILES)} in {commit.folder}"
        )
    return settings.parse(text, name)


async def build(commit: Commit, wanted: Settings, place: Place, *, locked: bool = True) -> Image:
    """Build the artifact of a commit and push it.

    The same commit gives the same digest. Raise SlipwayError when it fails.
    With `locked`, a commit without a lock file is an error.
    """
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
    if locked:
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


async def push(source: Path, endpoint_url: str | None) -> Image:
    """Push the newest commit of a service as a source tree.

    Create its repository and ledgers if they are missing. Raise SlipwayError on failure.
    """
    if endpoint_url is None:
        raise BadInputError("push needs the address of a simulator that runs", "pass it with --endpoint-url")
    commit = await anyio.to_thread.run_sync(commit_at, source)
    wanted = await anyio.to_thread.run_sync(settings_of, commit)
    aws = Aws(REGION, endpoint_url)
    for name in (wanted.name, *map(wanted.ledger, wanted.environments)):
        create = aws.call("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
        await or_absent(create, "RepositoryAlreadyExistsException")
    return await build(commit, wanted, await place_of(aws, wanted.name))


def _check_lock(commit: Commit, names: set[str]) -> None:
    """Raise an error for a member of a uv workspace, whose lock is outside of its folder."""
    if not names.intersection(LOCKS) and (lock := commit.above("uv.lock")):
        raise BadInputError(
            f"the service's dependencies are in {lock}, the lock of a workspace, which is not part of its image",
            "create its own lock: uv export --frozen --no-dev --no-emit-workspace --output-file requirements.txt",
        )


def ships(wanted: Settings, name: str) -> bool:
    """Return whether a file belongs to the release: pyproject.toml, .python-version, a lock, or a file among the settings' sources."""
    if not wanted.sources or name in ("pyproject.toml", ".python-version", *LOCKS):
        return True
    return any(_within(name, source) for source in wanted.sources)


def _within(name: str, source: str) -> bool:
    return name == source or name.startswith(f"{source.rstrip('/')}/")
