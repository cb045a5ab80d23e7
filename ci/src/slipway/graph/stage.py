"""The rehearsal on an engine: releases are directories, artifacts are images in a registry service, instances are containers.

The simulated account runs in this process, as it does without an engine. Only its instances differ.
"""

import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import dagger
from dagger import dag

from slipway.environment.preflight import booted
from slipway.errors import BadInputError
from slipway.graph import bases, postgres
from slipway.graph.folder import Folder
from slipway.graph.gate import check_config, prove
from slipway.graph.image import Label, Source, image
from slipway.graph.instances import REGISTRY_HOST, Containers, registry_service, started
from slipway.graph.migration import migrate
from slipway.graph.publish import publish
from slipway.graph.workspace import declared_in, source_of, whole
from slipway.oci import registry as registries
from slipway.records.checks import Preflight
from slipway.records.form import from_json
from slipway.records.image import Image, ImageKind
from slipway.records.migration import Migration
from slipway.records.progress import Progress
from slipway.records.proof import Proof
from slipway.records.rehearsal import Rehearsal
from slipway.rehearsal.play import play
from slipway.rehearsal.scene import Story
from slipway.rehearsal.stage import ENVIRONMENTS, SimulatedAccount, empty, opened, target_named
from slipway.release.preflight import quota
from slipway.release.preflight.checking import preflight
from slipway.release.preflight.checks import Checks
from slipway.settings import Settings, TargetKind
from slipway.simulator.cloud import Cloud
from slipway.simulator.databases import DatabaseLaunch
from slipway.workload.python import is_package

_PREFLIGHT = "preflight"
_REGISTRY = "name registry:2 or a mirror of it as registry in [tool.slipway.images], or with --registry-image"
_SUBJECT = re.compile(r"^Subject: (?:\[[^\]]*\] )?(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class SourceRelease:
    """A state of the service's source. `revision` is a hash of source and subject."""

    revision: str
    subject: str
    source: Source


async def rehearse(
    folder: Folder, settings: Settings, secrets: Mapping[str, dagger.Secret], progress: Progress, target: str | None
) -> Rehearsal:
    """Play every act for which the settings have a patch. Raise SlipwayError when the rehearsal cannot run."""
    kind = target_named(target, settings)
    story = await _story(folder, settings, secrets)
    await check_config(story.release.source, settings.migrations)
    async with staged(settings, kind) as stage:
        return await play(story, stage, progress)


@dataclass(frozen=True, kw_only=True)
class EngineStage:
    """The stage of an engine; see `rehearsal.stage.Stage`."""

    account: SimulatedAccount
    registry: dagger.Service
    backend: Containers
    databases: Mapping[str, str]
    postgres: str

    @property
    def how(self) -> str:
        return f"{self.backend.how} from an image, {self.account.platform}"

    @property
    def gate(self) -> str:
        return "gate in the release's builder image"

    @asynccontextmanager
    async def emptied(self, settings: Settings, secrets: Mapping[str, str]) -> "AsyncIterator[EngineStage]":
        async with AsyncExitStack() as stack:
            servers = EngineServers(bases.postgres(settings.images, settings.migrations), stack)
            backend = Containers(self.registry, servers.services)
            account = await stack.enter_async_context(empty(settings, self.account.target, lambda _: backend, secrets))

            def attach(region: Cloud) -> None:
                region.databases.attach = servers.attach

            account.cloud.places.fill(attach)
            yield replace(self, account=account, backend=backend)

    async def build(self, release: SourceRelease, settings: Settings | None = None) -> Image:
        """Build an image and push it.

        The simulated ECR gets its manifest and config; the layers stay in the registry from which the engine pulls.
        """
        account = replace(self.account, settings=settings or self.account.settings)
        built = await image(release.source, account.settings, Label(release.revision))
        address = f"{REGISTRY_HOST}/{account.settings.name}:{release.revision[:12]}"
        digest = (await publish(built, address, None, self.registry)).digest
        async with registries.opened(
            await self.registry.endpoint(port=5000, scheme="http"), account.settings.name, None
        ) as pushed:
            manifest = await pushed.manifest(digest)
            content = await pushed.manifest_content(digest)
            config = await pushed.blob(manifest["config"]["digest"])
        repository = account.cloud.store.repositories[account.settings.name]
        repository.put_blob(config)
        repository.put_manifest(content, manifest["mediaType"], account.cloud.clock.now())
        size = sum(layer["size"] for layer in manifest["layers"])
        return Image(
            repository=(await account.place()).uri,
            digest=digest,
            kind=ImageKind.IMAGE,
            revision=release.revision,
            size=size,
        )

    async def prove(self, release: SourceRelease, image: Image) -> Proof:  # noqa: ARG002 -- the gate runs in the builder, not in the image
        proof = await prove(release.source, self.account.settings, None, None)
        return from_json(Proof, await proof.contents(), "the gate's proof")

    async def preflight(self, image: Image, environment: str) -> Preflight:
        simulated = self.account.environment(environment)
        spec = simulated.spec(image.digest)

        async def boot() -> Checks:
            variables = self.account.settings.migrations.database_variables(self.databases[_PREFLIGHT])
            return await booted(self._migrate(image, _PREFLIGHT), self.backend, spec, variables, simulated.platform)

        return await preflight(simulated.aws, spec, {**simulated.platform.checkers, **quota.CHECKERS}, boot)

    async def migrate(self, image: Image, environment: str) -> Migration:
        return await self._migrate(image, environment)

    async def _migrate(self, image: Image, database: str) -> Migration:
        url, migrations = self.databases[database], self.account.settings.migrations
        container = self.backend.container(self.account.settings.name, image.digest, {"DATABASE": url})
        return await migrate(container, migrations, url, migrations.database_variables(url))


@dataclass(frozen=True)
class EngineServers:
    """The servers for the databases of an account, by the host names that containers use."""

    image: str
    stack: AsyncExitStack
    services: dict[str, dagger.Service] = field(default_factory=dict)

    async def attach(self, launch: DatabaseLaunch) -> tuple[str, int]:
        """Start a server with an instance's main user, and return its address."""
        host = f"database-{launch.identifier}"
        service = postgres.service(self.image, f"{launch.identifier}-{uuid.uuid4().hex}")
        await self.stack.enter_async_context(started(service, "a database of the account does not start", kill=True))
        major = launch.version.partition(".")[0]
        statements = launch.first_statements(int(major)) if major.isdecimal() else ()
        await postgres.executed(self.image, host, service, statements)
        self.services[host] = service
        return host, postgres.PORT


@asynccontextmanager
async def staged(settings: Settings, target: TargetKind) -> AsyncIterator[EngineStage]:
    """Start the stage's services for the block. Stop them even after an error."""
    server_image = bases.postgres(settings.images, settings.migrations)
    names = (*ENVIRONMENTS, _PREFLIGHT)
    servers = {f"database-{name}": postgres.service(server_image, f"{name}-{uuid.uuid4().hex}") for name in names}
    urls = {name: postgres.url(f"database-{name}") for name in names}
    registry_image = bases.registry(settings.images)
    registry = registry_service(registry_image)
    backend = Containers(registry, servers)
    async with AsyncExitStack() as stack:
        otherwise, next_step = f"the image {registry_image} starts no registry", _REGISTRY
        await stack.enter_async_context(started(registry, otherwise, next_step, kill=True))
        for service in servers.values():
            await stack.enter_async_context(started(service, "a database of the stage does not start", kill=True))
        theirs = {name: urls[name] for name in ENVIRONMENTS}
        account = await stack.enter_async_context(opened(settings, target, theirs, lambda _: backend))
        yield EngineStage(
            account=account,
            registry=registry,
            backend=backend,
            databases=urls,
            postgres=f"those of the image {server_image}",
        )


async def _story(folder: Folder, settings: Settings, secrets: Mapping[str, dagger.Secret]) -> Story[SourceRelease]:
    source = await source_of(await declared_in(folder), settings, secrets)
    tree = whole(source)
    patches = settings.rehearsal
    release = await _release(tree, source, "The workspace")

    async def patched(patch: str | None) -> SourceRelease | None:
        return await _patched(folder, tree, source, patch) if patch else None

    return Story(
        before=SourceRelease(_named(release.revision, "before"), "The release before", release.source),
        release=release,
        refused=await patched(patches.refused),
        rolled_back=await patched(patches.rolled_back),
        failing=await patched(patches.failing),
    )


async def _release(tree: dagger.Directory, like: Source, subject: str) -> SourceRelease:
    pyproject = tree.file("pyproject.toml")
    package = await tree.exists("pyproject.toml") and is_package(await pyproject.contents())
    source = replace(
        like,
        pyproject=pyproject,
        lock=like.lock if like.member or not like.lock_name else tree.file(like.lock_name),
        files=tree,
        package=package,
    )
    return SourceRelease(_named(await tree.digest(), subject), subject, source)


async def _patched(folder: Folder, tree: dagger.Directory, like: Source, name: str) -> SourceRelease:
    """Apply a `git format-patch` file to the tree. Raise BadInputError when it does not apply."""
    try:
        patch = await folder.file(name).contents()
    except dagger.QueryError as error:
        raise BadInputError(f"there is no {name}", f"correct [tool.slipway.rehearsal] of {folder}") from error
    subject = match[1] if (match := _SUBJECT.search(patch)) else name
    try:
        # paths from git's root, without --relative
        if (inside := folder.path.removeprefix("/")) and f" a/{inside}/" in patch:
            patched = dag.directory().with_directory(inside, tree).with_patch(patch).directory(inside)
        else:
            patched = tree.with_patch(patch)
        return await _release(await patched.sync(), like, subject)
    except dagger.QueryError as error:
        raise BadInputError(
            f"{name} does not apply to the workspace", "create it again with git format-patch"
        ) from error


def _named(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
