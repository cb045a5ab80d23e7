"""The Dagger object: slipway's commands as functions, described once in `slipway.commands`.

Nothing heavy is imported here: an engine starts the module once a session only to list its functions.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import anyio
import dagger
from dagger import Doc, check, dag, function, generate, object_type, up
from dagger.mod._exceptions import FunctionError  # the one error of which the SDK logs no traceback

from slipway.commands import account, flags, prove, release, service
from slipway.commands.command import Flags, named
from slipway.commands.registry import FUNCTIONS
from slipway.errors import BadInputError, within
from slipway.records.image import LONG_AGO

if TYPE_CHECKING:
    from slipway.environment.environment import ServiceEnvironment
    from slipway.graph.checks import CheckResult
    from slipway.graph.folder import Folder
    from slipway.graph.image import Source
    from slipway.records.gate import Previous
    from slipway.records.progress import Event, Progress
    from slipway.release.aws.client import Keys
    from slipway.report.answers import CommandResult
    from slipway.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")


def one_sentence(method: F) -> F:
    """Raise the one sentence of an error, which is all that Dagger shows, instead of the groups that wrap it."""

    @functools.wraps(method)
    async def adapter(*arguments: Any, **options: Any) -> Any:
        try:
            return await method(*arguments, **options)
        except Exception as error:
            from slipway.graph.refusal import meaning, words_of

            known = within(error) or meaning(error) or words_of(error)
            if isinstance(error, FunctionError) or known is None:
                raise
            raise FunctionError(str(known)) from None

    return adapter  # type: ignore[return-value]


def documented(doc: str, cache: str = "") -> Callable[[F], F]:
    """Make a Dagger function."""
    options = {"cache": cache} if cache else {}
    return lambda method: function(doc=doc, **options)(one_sentence(method))  # type: ignore[call-overload, return-value, no-any-return, unused-ignore]


def described(method: F) -> F:
    """Make a Dagger function, with the sentence and the caching of the command of the same name."""
    command = named(method.__name__, FUNCTIONS)
    more = f"\n\n{method.__doc__}" if method.__doc__ else ""
    return documented(f"{command.doc}{more}", command.cache)(method)


Image = Annotated[str, Doc(flags.IMAGE.doc)]
Majors = Annotated[
    list[str] | None,
    Doc("Postgres majors, or images, on which to prove side by side (default: the one in the settings)"),
]
PreviousRelease = Annotated[
    dagger.Directory | None,
    Doc(
        "the service's folder in the live release (of a uv workspace its root), which must work with the new schema: "
        "a folder, or a git address such as https://github.com/OWNER/NAME#v1.4.0"
    ),
]
Credentials = Annotated[
    dagger.Secret | None,
    Doc('AWS credentials: "cmd://aws configure export-credentials" with the AWS CLI, or "cmd://env | grep ^AWS_"'),
]
Certificate = Annotated[dagger.File | None, Doc(flags.CERTIFICATE.doc)]
Reason = Annotated[str, Doc(flags.WITHOUT_PROOF.doc)]
WithoutStart = Annotated[bool, Doc(flags.WITHOUT_START.doc)]
DryRun = Annotated[bool, Doc(flags.DRY_RUN.doc)]
Committed = Annotated[int, Doc("when the commit was made, in seconds since 1970: git log -1 --format=%ct")]
Revision = Annotated[
    str,
    Doc("the git commit, for the image's labels and its readiness answer (default: HEAD, whatever has changed since)"),
]


@object_type
@dataclasses.dataclass
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

    @described
    async def image(
        self, ws: dagger.Workspace, revision: Revision = "", committed: Committed = LONG_AGO
    ) -> dagger.Container:
        from slipway.graph import image
        from slipway.graph.folder import commit_of

        settings, source = await self._read(await self._folder(ws))
        built = image.image(source, settings, image.Label(revision or await commit_of(ws), committed))
        await built.sync()  # so that an error gets its sentence here
        return built

    @described
    async def sbom(self, ws: dagger.Workspace) -> dagger.File:
        from slipway.graph import image
        from slipway.oci.artifact import normalised_sbom

        settings, source = await self._read(await self._folder(ws))
        written = image.sbom(source, settings)
        document = normalised_sbom(await written.contents()).decode()
        return (await _directory({"sbom.json": document})).file("sbom.json")

    @described
    async def gate(
        self,
        ws: dagger.Workspace,
        postgres: Majors = None,
        since: Annotated[str | None, Doc(prove.gate.flag("since").doc)] = None,
        previous: PreviousRelease = None,
        statements: Annotated[dagger.File | None, Doc(prove.gate.flag("statements").doc)] = None,
    ) -> "Gate":
        from slipway.graph.previous import previous_in

        settings, source = await self._read(await self._folder(ws), needed=False)
        inside = f"/{source.member.path}" if source.member else "/"
        release = await previous_in(previous, statements, settings.images, inside)
        return (await _proven(source, settings, postgres or [""], since, release)).shown("gate")

    @described
    @check
    async def migrations(self, ws: dagger.Workspace) -> str:
        return (await self.gate(ws)).answer()

    @described
    @check
    async def smoke(self, ws: dagger.Workspace) -> None:
        from slipway.graph import image
        from slipway.graph.running import smoke

        settings, source = await self._read(await self._folder(ws))
        await smoke(image.image(source, settings, image.Label()), settings)

    @described
    @check
    async def lint(self, ws: dagger.Workspace) -> str:
        from slipway.graph import checks

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        return _green(await checks.lint(folder, source, settings))

    @described
    @check
    async def types(self, ws: dagger.Workspace) -> str:
        from slipway.graph import checks

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        return _green(await checks.types(folder, source, settings))

    @described
    @check
    async def tests(self, ws: dagger.Workspace) -> str:
        from slipway.graph import checks

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        return _green(await checks.tests(folder, source, settings))

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
        return await changes.locked(folder, settings, self.path, upgrade=upgrade)

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
            gate = (await _proven(revised, settings, [""], None, None)).shown("revision")
            print(gate.summary if gate.verdict != "passed" else "", end="")  # noqa: T201
        return changeset

    @described
    @up
    async def service(self, ws: dagger.Workspace) -> dagger.Service:
        from slipway.graph import image, running

        settings, source = await self._read(await self._folder(ws))
        return await running.service(image.image(source, settings, image.Label()), settings)

    @described
    @up
    async def database(self, ws: dagger.Workspace) -> dagger.Service:
        from slipway.graph import running

        return await running.database(await self._settings(await self._folder(ws)))

    @described
    async def rehearse(self, ws: dagger.Workspace) -> "Rehearsal":
        import sys

        from slipway.graph.stage import rehearse
        from slipway.report import rehearsal as rehearsal_report
        from slipway.report.files import of_rehearsal
        from slipway.report.terminal import TerminalProgress

        folder = await self._folder(ws)
        rehearsal = await rehearse(folder, await self._settings(folder), TerminalProgress(sys.stdout))
        return Rehearsal(
            verdict="passed" if rehearsal.passed else "failed",
            summary=rehearsal_report.text(rehearsal),
            report=await _directory(of_rehearsal(rehearsal)),
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
        from slipway.graph.publish import RegistryLogin, attach, publish, signed_in
        from slipway.graph.running import smoke

        settings, source = await self._read(await self._folder(ws))
        given = RegistryLogin(username, password) if password else None
        login = given or await signed_in(address, await _keys(credentials), registry)
        built = image.image(source, settings, image.Label(revision or await commit_of(ws), committed))
        await smoke(built, settings)
        pushed = await publish(built, address, login, registry)
        if source.lock_name == "uv.lock":
            await attach(await image.sbom(source, settings).contents(), pushed, login, registry)
        return str(pushed)

    @described
    async def environment(
        self,
        ws: dagger.Workspace,
        name: Annotated[str, Doc(flags.NAME.doc)],
        credentials: Credentials = None,
        endpoint: Annotated[
            dagger.Service | None, Doc("a stand-in for AWS, as tcp://host:port, such as slipway simulator")
        ] = None,
    ) -> "Environment":
        pyproject = await (await self._folder(ws)).file("pyproject.toml").contents()
        return Environment(name=name, pyproject=pyproject, credentials=credentials, endpoint=endpoint)

    @described
    async def certificate(self, proof: Annotated[dagger.File, Doc(prove.certificate.flag("proof").doc)]) -> str:
        return (await _Call().answer("certificate", proof=proof, red=True)).text

    async def _folder(self, ws: dagger.Workspace) -> "Folder":
        from slipway.graph.folder import folder_of

        return await folder_of(ws, self.path)

    async def _settings(self, folder: "Folder", *, needed: bool = True) -> "Settings":
        from slipway.graph.workspace import settings_of

        given = {
            "platform": self.platform,
            "distroless": self.distroless,
            "python": self.python_image,
            "uv": self.uv_image,
            "postgres": self.postgres_image,
            "registry": self.registry_image,
        }
        read = await settings_of(folder, needed=needed)
        return read.made_of({name: value for name, value in given.items() if value})

    async def _rewritten(self, ws: dagger.Workspace, name: str) -> dagger.Changeset:
        """Run a command of [tool.slipway.checks], which sees the files of the checks too."""
        from slipway.graph import changes, checks

        folder = await self._folder(ws)
        settings, source = await self._read(folder)
        source = await checks.checked(folder, source, settings)
        return await changes.rewritten(source, settings, folder, self.path, name)

    async def _read(self, folder: "Folder", *, needed: bool = True) -> "tuple[Settings, Source]":
        """Read the settings, and the files that an image needs."""
        from slipway.graph.workspace import source_of

        settings = await self._settings(folder, needed=needed)
        return settings, await source_of(folder, settings)


@dataclasses.dataclass
class _Verdict:
    """A verdict that is red by itself: a call that ends at the object selects `sync`, and any other field or function is green."""

    verdict: Annotated[str, Doc("passed, or why not in one word")] = dagger.field()
    summary: Annotated[str, Doc("the report as text; the last line is the verdict")] = dagger.field()

    @documented("Fail unless the verdict is passed; the CLI calls it where a call ends at the object.")
    async def sync(self) -> str:
        self.answer()
        # Of an object the CLI prints an id, and on a terminal the steps at the top, such as this one.
        return await dag.directory().with_new_file("verdict", self.summary.splitlines()[-1]).id()

    def shown(self, name: str) -> Self:
        """Report the last line as a test, which the CLI shows at the end of every call; print the rest unless `sync` fails with it."""
        from dagger.telemetry import get_tracer

        passed = self.verdict == "passed"
        if passed:
            print(self.summary, end="")  # noqa: T201
        result = "pass" if passed else "fail"
        about: dict[str, str | bool] = {
            "test.case.name": name,
            "test.case.result.status": result,
            "dagger.io/ui.reveal": True,
        }
        with get_tracer().start_as_current_span(self.summary.splitlines()[-1], attributes=about):
            return self

    def answer(self) -> str:
        """Return the summary; raises FunctionError unless the verdict is passed."""
        if self.verdict != "passed":
            raise FunctionError(self.summary)
        return self.summary


@object_type
@dataclasses.dataclass
class Gate(_Verdict):
    """The gate's verdict with its proofs and reports."""

    proofs: list[dagger.File] = dataclasses.field(repr=False, kw_only=True)
    folders: list[str] = dataclasses.field(repr=False, kw_only=True)

    @documented(
        "Return the reports for people (the page index.html, Markdown, text), CI servers and editors; for several majors a folder of them each."
    )
    async def report(self) -> dagger.Directory:
        from slipway.records.form import from_json
        from slipway.records.proof import Proof
        from slipway.report.files import of_proof

        files: dict[str, str] = {}
        for folder, file in zip(self.folders, self.proofs, strict=True):
            proof = from_json(Proof, await file.contents(), "the gate's proof")
            files |= {
                f"{folder}/{name}" if len(self.folders) > 1 else name: text for name, text in of_proof(proof).items()
            }
        return await _directory(files)

    @documented("Return proof.json, for the function certificate, for a pull request or for an archive.")
    async def proof(self) -> dagger.File:
        if len(self.proofs) > 1:
            raise FunctionError("there is a proof for each major: take them from the folders of report")
        return self.proofs[0]

    @documented("Certify the proof, to ship with the image; fails if the gate refused.", "never")
    async def certificate(self) -> str:
        return (await _Call().answer("certificate", proof=await self.proof(), red=True)).text


@object_type
@dataclasses.dataclass
class Rehearsal(_Verdict):
    """The rehearsal's verdict with its report."""

    report: Annotated[dagger.Directory, Doc("rehearsal.json, .txt and .html")] = dagger.field()  # noqa: RUF009


@object_type
@dataclasses.dataclass
class Environment:
    """One environment of the service."""

    name: str
    pyproject: str = dataclasses.field(repr=False)
    credentials: dagger.Secret | None = None
    endpoint: dagger.Service | None = None

    @described
    async def preflight(self, image: Image) -> str:
        return await self._text("preflight", image=image)

    @described
    async def plan(self, image: Image) -> dagger.Directory:
        from slipway.report.files import of_plan

        answer = await _Call(self).answer("plan", environment=self.name, image=image)
        print(answer.text, end="")  # noqa: T201
        return await _directory(of_plan(answer.record))

    @described
    async def deploy(
        self,
        image: Annotated[str | None, Doc(flags.IMAGE.doc)] = None,
        plan: Annotated[dagger.File | None, Doc(release.deploy.flag("plan").doc)] = None,
        certificate: Certificate = None,
        without_start: WithoutStart = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text("deploy", image=image, plan=plan, certificate=certificate, without_start=without_start)

    @described
    async def migrate(
        self,
        image: Image,
        status: Annotated[bool, Doc(release.migrate.flag("status").doc)] = False,  # noqa: FBT002 -- a flag
    ) -> str:
        """A deployment migrates by itself where the settings name a runner."""
        return await self._text("migrate", image=image, status=status)

    @described
    async def promote(
        self,
        to: Annotated[str, Doc(release.promote.flag("to").doc)],
        certificate: Certificate = None,
        without_proof: Reason = "",
        without_start: WithoutStart = False,  # noqa: FBT002 -- a flag
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(
            "promote",
            from_=self.name,
            to=to,
            certificate=certificate,
            without_proof=without_proof,
            without_start=without_start,
            dry_run=dry_run,
        )

    @described
    async def rollback(
        self,
        to: Annotated[int | None, Doc(release.rollback.flag("to").doc)] = None,
        certificate: Certificate = None,
        without_proof: Reason = "",
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(
            "rollback", to=to, certificate=certificate, without_proof=without_proof, dry_run=dry_run
        )

    @described
    async def status(self) -> str:
        return await self._text("status")

    @described
    async def history(self) -> str:
        return await self._text("history")

    @described
    async def diagnose(self, number: Annotated[int | None, Doc(service.diagnose.flag("number").doc)] = None) -> str:
        return await self._text("diagnose", number=number)

    @described
    async def pause(self, dry_run: DryRun = False) -> str:  # noqa: FBT002 -- a flag
        return await self._text("pause", dry_run=dry_run)

    @described
    async def resume(self, dry_run: DryRun = False) -> str:  # noqa: FBT002 -- a flag
        return await self._text("resume", dry_run=dry_run)

    @described
    async def destroy(
        self,
        confirm: Annotated[str, Doc(service.destroy.flag("confirm").doc)] = "",
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text("destroy", confirm=confirm, dry_run=dry_run)

    @described
    async def permissions(
        self, command: Annotated[list[str] | None, Doc(account.permissions.flag("command").doc)] = None
    ) -> str:
        return await self._text("permissions", command=command)

    async def _text(self, name: str, **arguments: Any) -> str:
        return (await _Call(self).answer(name, environment=self.name, **arguments, red=True)).text


@dataclasses.dataclass(frozen=True)
class _Call:
    """The caller of a command: one call of a Dagger function. `there` is None for a command of no environment."""

    there: Environment | None = None
    starts: bool = True

    async def answer(self, name: str, *, red: bool = False, **arguments: Any) -> "CommandResult":
        """Run a command; with `red` raise FunctionError unless its exit code would be 0."""
        command = named(name, FUNCTIONS)
        assert command.run is not None
        call = dataclasses.replace(self, starts=not arguments.get("without_start", False))
        answer = await command.run(Flags(**command.defaults() | arguments), call)
        assert answer is not None
        if red and answer.code:
            raise FunctionError(answer.text)
        return answer

    @property
    def progress(self) -> "Progress":
        import sys

        from slipway.report.terminal import TerminalProgress

        return TerminalProgress(sys.stdout)

    @contextmanager
    def run(self) -> "Iterator[Callable[[Event], None]]":
        yield _tell

    def say(self, answer: "CommandResult") -> None:
        print(answer.text, end="")  # noqa: T201

    async def settings(self) -> "Settings":
        from slipway import settings

        assert self.there is not None
        return settings.parse(self.there.pyproject)

    async def environment(self, name: str) -> "ServiceEnvironment":
        from functools import partial

        from slipway.environment.environment import ServiceEnvironment, wall_clock

        assert self.there is not None
        settings = await self.settings()
        settings.environment(name)
        make = partial(ServiceEnvironment, settings=settings, name=name, time=wall_clock(), starts=self.starts)
        if self.there.endpoint:
            return make(endpoint_url=await (await self.there.endpoint.start()).endpoint(scheme="http"))
        keys = await _keys(self.there.credentials)
        if keys is None:
            raise BadInputError(
                "there are no AWS credentials", 'add --credentials "cmd://aws configure export-credentials"'
            )
        return _migrating_in_a_container(make(endpoint_url=None, keys=keys))

    async def text(self, file: dagger.File, what: str) -> str:  # noqa: ARG002 -- the engine names the file in its errors
        return await file.contents()

    async def record(self, kind: type[R], file: dagger.File, what: str) -> R:
        from slipway.records.form import from_json

        return from_json(kind, await file.contents(), what)


async def _proven(
    source: "Source", settings: "Settings", majors: list[str], since: str | None, release: "Previous | None"
) -> Gate:
    from slipway.graph.gate import prove
    from slipway.records.form import from_json
    from slipway.records.proof import Proof
    from slipway.report.proof.text import text

    files: dict[str, dagger.File] = {}

    async def prove_on(major: str) -> None:
        files[major] = await prove(source, settings, major or None, since, release)

    async with anyio.create_task_group() as tasks:
        for major in majors:
            tasks.start_soon(prove_on, major)
    proofs = [from_json(Proof, await files[major].contents(), "the gate's proof") for major in majors]
    return Gate(
        verdict="refused" if any(proof.failures for proof in proofs) else "passed",
        summary="\n".join(map(text, proofs)),
        proofs=[files[major] for major in majors],
        folders=[re.sub(r"\W+", "-", major) for major in majors],
    )


async def _keys(credentials: dagger.Secret | None) -> "Keys | None":
    from datetime import UTC, datetime

    from slipway.release.aws.client import keys_from

    return keys_from(await credentials.plaintext(), datetime.now(UTC)) if credentials else None


def _migrating_in_a_container(environment: "ServiceEnvironment") -> "ServiceEnvironment":
    """Return the environment with the runner "direct" in a container of the engine instead of on this machine."""
    from functools import partial

    from slipway.graph.migration import runner_at
    from slipway.settings import RunnerKind

    migration = environment.settings.environment(environment.name).migration
    if migration is None or migration.runner is not RunnerKind.DIRECT:
        return environment
    return dataclasses.replace(environment, runner=partial(runner_at, environment))


async def _directory(files: Mapping[str, str]) -> dagger.Directory:
    """Return the files, uploaded from here: of `withNewFile` the engine would log each whole text."""
    from pathlib import Path
    from tempfile import mkdtemp

    from slipway.report.files import write

    folder = Path(mkdtemp(dir=".")).name  # it is absolute since Python 3.12, which the engine refuses
    write(Path(folder), files)
    return await dag.current_module().workdir(folder).sync()


def _green(verdict: "CheckResult") -> str:
    if verdict.exit_code:
        raise FunctionError(verdict.why_not)
    return verdict.output


def _tell(event: "Event") -> None:
    """Print an event; the engine shows each line with its time."""
    from slipway.report.terminal import lines

    for line in lines(event):
        print(line)  # noqa: T201
