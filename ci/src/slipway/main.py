"""The main Dagger object, with slipway's commands as functions. `slipway.commands` describes them.

Nothing heavy is imported here, because an engine starts the module once a session only to list its functions.
"""

from typing import TYPE_CHECKING, Annotated

import dagger
from dagger import Doc, check, generate, up

from slipway.commands import flags, prove
from slipway.objects.call import Call, keys_of
from slipway.objects.environment import Environment
from slipway.objects.function import Credentials, FunctionError, described, directory, object_type
from slipway.objects.verdict import Gate, Rehearsal, proven
from slipway.records.image import LONG_AGO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slipway.graph.checks import CheckResult
    from slipway.graph.folder import Folder
    from slipway.graph.image import Source
    from slipway.settings import Settings

Majors = Annotated[
    list[str] | None,
    Doc("Postgres majors, or images, on which to test side by side (default: the one in the settings)"),
]
PreviousRelease = Annotated[
    dagger.Directory | None,
    Doc(
        "the service's folder in the live release (of a uv workspace its root), which must work with the new schema: "
        "a folder, or a git address such as https://github.com/OWNER/NAME#v1.4.0"
    ),
]
Committed = Annotated[int, Doc("when the commit was made, in seconds since 1970: git log -1 --format=%ct")]
Revision = Annotated[
    str,
    Doc("the git commit, for the image's labels and its readiness answer (default: HEAD, whatever has changed since)"),
]


@object_type
class Slipway:
    """From a commit to production on AWS, for Python services with alembic migrations."""

    path: Annotated[
        str,
        Doc("the service's folder, from the current one, or with a leading slash from the repository's root"),
    ] = "."
    platform: Annotated[str | None, Doc("the image's platform (default: linux/amd64)")] = None
    distroless: Annotated[bool, Doc("ship only what the service loads: no shell, no package manager")] = False
    python_image: Annotated[str | None, Doc("a Python image instead of the pinned one")] = None
    uv_image: Annotated[str | None, Doc("a uv image instead of the pinned one")] = None
    postgres_image: Annotated[str | None, Doc("a Postgres image instead of the pinned ones")] = None
    registry_image: Annotated[str | None, Doc("a registry image instead of the pinned one, for the rehearsal")] = None
    build_secrets: Annotated[
        dagger.Secret | None,
        Doc(
            "values of the secrets of [tool.slipway.images], as lines NAME=value or a JSON object: "
            '"cmd://env | grep ^UV_INDEX_", "file://build-secrets.json"'
        ),
    ] = None

    @described
    async def image(
        self, ws: dagger.Workspace, revision: Revision = "", committed: Committed = LONG_AGO
    ) -> dagger.Container:
        from slipway.graph import image
        from slipway.graph.folder import commit_of

        settings, source = await self._read(await self._folder(ws))
        built = await image.image(source, settings, image.Label(revision or await commit_of(ws), committed))
        await built.sync()  # so that an error gets its sentence here
        return built

    @described
    async def sbom(self, ws: dagger.Workspace) -> dagger.File:
        from slipway.graph import image
        from slipway.oci.artifact import normalised_sbom

        settings, source = await self._read(await self._folder(ws))
        written = image.sbom(source, settings)
        document = normalised_sbom(await written.contents()).decode()
        return (await directory({"sbom.json": document})).file("sbom.json")

    @described
    async def gate(
        self,
        ws: dagger.Workspace,
        postgres: Majors = None,
        since: Annotated[str | None, Doc(prove.gate.flag("since").doc)] = None,
        previous: PreviousRelease = None,
        statements: Annotated[dagger.File | None, Doc(prove.gate.flag("statements").doc)] = None,
    ) -> Gate:
        settings, source = await self._read(await self._folder(ws), needed=False)
        release = None
        if previous or statements:
            from slipway.graph.previous import previous_in

            inside = f"/{source.member.path}" if source.member else "/"
            release = await previous_in(previous, statements, settings.images, source.secrets, inside)
        return (await proven(source, settings, postgres or [""], since, release)).shown("gate")

    @described
    @check
    async def migrations(self, ws: dagger.Workspace) -> str:
        from slipway.graph.gate import has_history

        folder = await self._folder(ws)
        settings, source = await self._read(folder, needed=False)
        if not await has_history(folder, source, settings.migrations):
            return "nothing was done: the service has no alembic history\n"
        return (await self.gate(ws)).answer()

    @described
    @check
    async def smoke(self, ws: dagger.Workspace) -> None:
        from slipway.graph import image
        from slipway.graph.gate import has_history
        from slipway.graph.running import smoke

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        migrates = await has_history(folder, source, settings.migrations)
        await smoke(await image.image(source, settings, image.Label()), settings, migrates=migrates)

    @described
    @check
    async def lint(self, ws: dagger.Workspace) -> str:
        from slipway.graph import checks

        return await self._checked(ws, checks.lint)

    @described
    @check
    async def types(self, ws: dagger.Workspace) -> str:
        from slipway.graph import checks

        return await self._checked(ws, checks.types)

    @described
    @check
    async def tests(self, ws: dagger.Workspace) -> str:
        from slipway.graph import checks

        return await self._checked(ws, checks.tests)

    @described
    @generate
    async def format(self, ws: dagger.Workspace) -> dagger.Changeset:
        return await self._rewritten(ws, "format")

    @described
    async def fix(self, ws: dagger.Workspace) -> dagger.Changeset:
        return await self._rewritten(ws, "fix")

    @described
    @generate
    async def lock(
        self,
        ws: dagger.Workspace,
        upgrade: Annotated[bool, Doc("take the newest versions that pyproject.toml allows")] = False,  # noqa: FBT002 -- a flag
    ) -> dagger.Changeset:
        from slipway.graph import changes

        folder = await self._folder(ws)
        settings = await self._settings(folder, needed=False)
        return await changes.locked(folder, settings, self.path, await self._secrets(), upgrade=upgrade)

    @described
    async def revision(
        self, ws: dagger.Workspace, message: Annotated[str, Doc("what the revision does, as for alembic revision")]
    ) -> dagger.Changeset:
        from slipway.graph import changes

        folder = await self._folder(ws)
        settings, source = await self._read(folder, needed=False)
        place = await changes.place_of(folder, self.path)
        changeset, revised = await changes.revision(source, settings, place, message)
        if revised is None:
            print("nothing was written: the migrations build what the models describe")  # noqa: T201
        else:
            gate = (await proven(revised, settings, [""], None, None)).shown("revision")
            print(gate.summary if gate.red else "", end="")  # noqa: T201
            changeset = await changes.advised(changeset, place, await gate.failures())
        return changeset

    @described
    @up
    async def service(self, ws: dagger.Workspace) -> dagger.Service:
        from slipway.graph import image, running
        from slipway.graph.gate import has_history

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        migrates = await has_history(folder, source, settings.migrations)
        return await running.service(await image.image(source, settings, image.Label()), settings, migrates=migrates)

    @described
    @up
    async def database(self, ws: dagger.Workspace) -> dagger.Service:
        from slipway.graph import running

        return await running.database(await self._settings(await self._folder(ws)))

    @described
    async def rehearse(
        self, ws: dagger.Workspace, target: Annotated[str | None, Doc(prove.rehearse.flag("target").doc)] = None
    ) -> Rehearsal:
        import sys

        from slipway.graph.stage import rehearse
        from slipway.report import rehearsal as rehearsal_report
        from slipway.report.files import of_rehearsal
        from slipway.report.terminal import TerminalProgress

        folder = await self._folder(ws)
        settings, secrets = await self._settings(folder), await self._secrets()
        rehearsal = await rehearse(folder, settings, secrets, TerminalProgress(sys.stdout), target)
        return Rehearsal(
            verdict="passed" if rehearsal.passed else "failed",
            summary=rehearsal_report.text(rehearsal),
            report=await directory(of_rehearsal(rehearsal)),
        ).shown("rehearse")

    @described
    async def publish(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        ws: dagger.Workspace,
        address: Annotated[str, Doc("where to push, as registry/repository:tag")],
        revision: Revision = "",
        committed: Committed = LONG_AGO,
        credentials: Credentials = None,
        username: Annotated[str, Doc("the user of --password, for a registry other than ECR")] = "AWS",
        password: Annotated[dagger.Secret | None, Doc("the password of --username")] = None,
        registry: Annotated[
            dagger.Service | None,
            Doc("a registry to push to instead, as tcp://host:port, such as slipway simulator"),
        ] = None,
    ) -> str:
        from slipway.graph import image
        from slipway.graph.folder import commit_of
        from slipway.graph.gate import has_history
        from slipway.graph.publish import RegistryLogin, attach, check_address, publish, signed_in
        from slipway.graph.running import smoke
        from slipway.simulator.contract import REGION

        check_address(address)
        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        given = RegistryLogin(username, password) if password else None
        region = next((env.region for env in settings.environments.values()), REGION)
        login = given or await signed_in(address, await keys_of(credentials), registry, region)
        built = await image.image(source, settings, image.Label(revision or await commit_of(ws), committed))
        await smoke(built, settings, migrates=await has_history(folder, source, settings.migrations))
        pushed = await publish(built, address, login, registry)
        if source.lock_name == "uv.lock":
            await attach(await image.sbom(source, settings).contents(), pushed, login, registry)
        return str(pushed)

    @described
    async def environment(
        self,
        name: Annotated[str, Doc(flags.NAME.doc)],
        credentials: Credentials = None,
        endpoint: Annotated[
            dagger.Service | None, Doc("an AWS emulator, as tcp://host:port, such as slipway simulator")
        ] = None,
    ) -> Environment:
        return Environment(name=name, path=self.path, credentials=credentials, endpoint=endpoint)

    @described
    async def certificate(self, proof: Annotated[dagger.File, Doc(prove.certificate.flag("proof").doc)]) -> str:
        return (await Call().answer("certificate", proof=proof, red=True)).text

    @described
    async def cli(self) -> dagger.Container:
        from slipway.graph import command

        built = command.image(self._on_bases(command.SETTINGS))
        await built.sync()  # so that an error gets its sentence here
        return built

    async def _secrets(self) -> "Mapping[str, dagger.Secret]":
        from slipway.graph.build_secrets import read

        return await read(self.build_secrets)

    async def _folder(self, ws: dagger.Workspace) -> "Folder":
        from slipway.graph.folder import folder_of

        return await folder_of(ws, self.path)

    async def _settings(self, folder: "Folder", *, needed: bool = True) -> "Settings":
        from slipway.graph.workspace import declared_in, settings_of

        return self._on_bases(await settings_of(await declared_in(folder), needed=needed))

    def _on_bases(self, settings: "Settings") -> "Settings":
        """Return the settings with the images that the object's arguments name."""
        given = {
            "platform": self.platform,
            "distroless": self.distroless,
            "python": self.python_image,
            "uv": self.uv_image,
            "postgres": self.postgres_image,
            "registry": self.registry_image,
        }
        return settings.made_of({name: value for name, value in given.items() if value})

    async def _checked(
        self, ws: dagger.Workspace, run: "Callable[[Folder, Source, Settings], Awaitable[CheckResult]]"
    ) -> str:
        """Run a check of [tool.slipway.checks]. Raise FunctionError when it fails."""
        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        result = await run(folder, source, settings)
        if result.exit_code:
            raise FunctionError(result.why_not)
        return result.output

    async def _rewritten(self, ws: dagger.Workspace, name: str) -> dagger.Changeset:
        """Run a command of [tool.slipway.checks], with the same files as the checks."""
        from slipway.graph import changes, checks

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        source = await checks.checked(folder, source, settings)
        return await changes.rewritten(source, settings, folder, self.path, name)

    async def _read(self, folder: "Folder", *, needed: bool = True) -> "tuple[Settings, Source]":
        from slipway.graph.workspace import declared_in, settings_of, source_of

        declared = await declared_in(folder)
        settings = self._on_bases(await settings_of(declared, needed=needed))
        return settings, await source_of(declared, settings, await self._secrets())
