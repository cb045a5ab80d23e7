"""The Dagger object: slipway's verbs as functions, each an adapter over what the command line calls too.

Nothing heavy is imported here: the module is started once a session only to say what it can do.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import dagger
from dagger import Doc, check, dag, function, object_type, up

from slipway.errors import BadInputError, within
from slipway.records.image import LONG_AGO

if TYPE_CHECKING:
    from slipway.graph.checks import Verdict
    from slipway.graph.image import Source
    from slipway.records.outcome import Outcome
    from slipway.records.progress import Event
    from slipway.release.aws.credentials import Keys
    from slipway.settings import Settings
    from slipway.verbs.environment import Environment as Verbs
    from slipway.verbs.proof import Evidence

F = TypeVar("F", bound=Callable[..., Any])


def plain(verb: F) -> F:
    """The message of an exception is all that a person sees of it: the one sentence is taken out of task groups' wrappings."""

    @functools.wraps(verb)
    async def adapter(*arguments: Any, **options: Any) -> Any:
        try:
            return await verb(*arguments, **options)
        except Exception as error:
            from slipway.graph.refusal import meaning

            if (said := within(error) or meaning(error)) is None:
                raise
            raise SaidNoError(str(said)) from None

    return adapter  # type: ignore[return-value]


def never_cached(verb: F) -> F:
    """A function that has an effect or reads the world; the engine would keep its answer for a week (mypy knows no `cache`)."""
    return function(cache="never")(plain(verb))  # type: ignore[call-overload, no-any-return]


def kept_for_a_session(verb: F) -> F:
    """A function whose answer may be another one tomorrow: the engine keeps it for a session."""
    return function(cache="session")(verb)  # type: ignore[call-overload, no-any-return]


_IMAGE = Doc("The image to deploy, as repository@sha256:…")
Image = Annotated[str, _IMAGE]
Majors = Annotated[
    list[str] | None,
    Doc("Postgres majors, or images, to prove on side by side; that of the settings by default"),
]
Since = Annotated[
    str | None,
    Doc(
        "A revision's id: findings in it and in older ones do not count. "
        "Git's names are for `slipway gate --since` on a machine, for the repository's history is not sent here"
    ),
]
PreviousRelease = Annotated[
    dagger.Directory | None,
    Doc(
        "The service's folder in the release that is live, which must be able to work with the new schema: "
        "a folder, or a git address such as https://github.com/OWNER/NAME#v1.4.0"
    ),
]
Statements = Annotated[
    dagger.File | None,
    Doc("What the tests of that release said to the database, as `pytest --slipway-record=FILE` wrote it"),
]
Credentials = Annotated[
    dagger.Secret | None,
    Doc(
        'AWS credentials, "cmd://aws configure export-credentials" wherever the AWS CLI is, or "cmd://env | grep ^AWS_"'
    ),
]
Proven = Annotated[
    dagger.File | None, Doc("What was proven of this step of the schema, as `slipway certificate` printed it")
]
Reason = Annotated[
    str, Doc("Why it is done although nothing proves that release and schema go together; it is recorded")
]
Committed = Annotated[int, Doc("When the commit was made, in seconds since 1970: `git log -1 --format=%ct`")]
Revision = Annotated[str, Doc("The git commit, for the image's labels and its readiness answer")]


@object_type
@dataclasses.dataclass
class Slipway:
    """From a commit to production on AWS, for Python services with alembic migrations."""

    platform: Annotated[str | None, Doc("The image's platform; linux/amd64 by default, which every target runs")] = None
    distroless: Annotated[bool, Doc("Ship only what the service loads: no shell, no package manager")] = False
    python_image: Annotated[str | None, Doc("A Python image instead of the pinned one")] = None
    uv_image: Annotated[str | None, Doc("A uv image instead of the pinned one")] = None
    postgres_image: Annotated[str | None, Doc("A Postgres image instead of the pinned ones")] = None
    registry_image: Annotated[str | None, Doc("A registry image instead of the pinned one, for the rehearsal")] = None

    @function
    @plain
    async def image(
        self, workspace: dagger.Workspace, revision: Revision = "unknown", committed: Committed = LONG_AGO
    ) -> dagger.Container:
        """Build the service's image: small, non-root, reproducible, on pinned bases."""
        from slipway.graph import image

        settings, source = await self._read(workspace)
        built = image.image(source, settings, image.Label(revision, committed))
        await built.sync()  # here an error gets its sentence
        return built

    @function
    @plain
    async def sbom(self, workspace: dagger.Workspace) -> dagger.File:
        """Write what the lock pins as CycloneDX 1.5, without what differs from one writing to the next."""
        from slipway.graph import image
        from slipway.oci import sbom

        settings, source = await self._read(workspace)
        written = image.sbom(source, settings)
        document = sbom.normalised(await written.contents()).decode()
        return dag.directory().with_new_file("sbom.json", document).file("sbom.json")

    @kept_for_a_session
    @plain
    async def gate(
        self,
        workspace: dagger.Workspace,
        postgres: Majors = None,
        since: Since = None,
        previous: PreviousRelease = None,
        statements: Statements = None,
    ) -> dagger.Directory:
        """Execute the migrations and return the reports, whatever they say; of several majors in a folder each.

        They are proof.json, junit.xml, proof.sarif, annotations.txt, summary.md, report.txt and the page index.html.
        """
        from slipway.graph.gate import prove
        from slipway.graph.previous import previous_in
        from slipway.report.files import of_proof

        settings, source = await self._read(workspace)
        release = await previous_in(previous, statements, settings.images)
        if not postgres or len(postgres) == 1:
            return _directory(
                of_proof(await prove(source, settings, postgres[0] if postgres else None, since, release))
            )
        reports: dict[str, dagger.Directory] = {}

        async def prove_on(major: str) -> None:
            reports[major] = _directory(of_proof(await prove(source, settings, major, since, release)))

        async with anyio.create_task_group() as tasks:
            for major in postgres:
                tasks.start_soon(prove_on, major)
        side_by_side = dag.directory()
        for major in postgres:
            side_by_side = side_by_side.with_directory(re.sub(r"\W+", "-", major), reports[major])
        return side_by_side

    @kept_for_a_session
    @check
    @plain
    async def migrations(self, workspace: dagger.Workspace) -> None:
        """Fail when the gate refuses the migrations; it has run already when the function gate has."""
        from slipway.graph.gate import prove
        from slipway.report.proof_text import text

        settings, source = await self._read(workspace)
        proof = await prove(source, settings, None, None)
        if proof.failures:
            raise SaidNoError(text(proof))

    @function
    @check
    @plain
    async def smoke(self, workspace: dagger.Workspace) -> None:
        """Fail when the image does not become healthy beside a database at its head."""
        from slipway.graph import image
        from slipway.graph.smoke import smoke

        settings, source = await self._read(workspace)
        await smoke(image.image(source, settings, image.Label()), settings)

    @function
    @check
    @plain
    async def lint(self, workspace: dagger.Workspace) -> str:
        """Run the service's own lint, as [tool.slipway.checks] names it."""
        from slipway.graph import checks

        settings, source = await self._read(workspace)
        return _green(await checks.lint(workspace, source, settings))

    @function
    @check
    @plain
    async def types(self, workspace: dagger.Workspace) -> str:
        """Check the service's types, as [tool.slipway.checks] says how."""
        from slipway.graph import checks

        settings, source = await self._read(workspace)
        return _green(await checks.types(workspace, source, settings))

    @function
    @check
    @plain
    async def tests(self, workspace: dagger.Workspace) -> str:
        """Run the service's own tests, as [tool.slipway.checks] names them, beside an empty Postgres."""
        from slipway.graph import checks

        settings, source = await self._read(workspace)
        return _green(await checks.tests(workspace, source, settings))

    @function
    @up
    @plain
    async def service(self, workspace: dagger.Workspace) -> dagger.Service:
        """Run the service on its port, beside a Postgres that has been migrated."""
        from slipway.graph import image, running

        settings, source = await self._read(workspace)
        return await running.service(image.image(source, settings, image.Label()), settings)

    @function
    @up
    @plain
    async def database(self, workspace: dagger.Workspace) -> dagger.Service:
        """Run the Postgres of the service on port 5432."""
        from slipway.graph import running

        return running.database(await self._settings(workspace))

    @never_cached
    async def rehearse(self, workspace: dagger.Workspace) -> dagger.Directory:
        """Play the whole way of a release with images, containers and a simulated account, and fail unless it went as told."""
        import sys

        from slipway.graph.stage import rehearse
        from slipway.report import rehearsal_text
        from slipway.report.files import of_rehearsal
        from slipway.report.terminal import TerminalProgress

        rehearsal = await rehearse(workspace, await self._settings(workspace), TerminalProgress(sys.stdout))
        if not rehearsal.passed:
            raise SaidNoError(rehearsal_text.text(rehearsal))
        return _directory(of_rehearsal(rehearsal))

    @never_cached
    async def publish(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        workspace: dagger.Workspace,
        address: Annotated[str, Doc("Where to push, as registry/repository:tag")],
        revision: Revision = "unknown",
        committed: Committed = LONG_AGO,
        credentials: Credentials = None,
        username: Annotated[str, Doc("Who pushes with --password, to a registry that is not AWS's")] = "AWS",
        password: Annotated[dagger.Secret | None, Doc("The password of --username")] = None,
        registry: Annotated[
            dagger.Service | None,
            Doc("A registry instead of one on the network, as tcp://host:port, of `slipway simulator` for example"),
        ] = None,
    ) -> str:
        """Build the image, see it become healthy, push it with its bill of materials, and answer exactly repository@sha256 and the digest."""
        from slipway.graph import image
        from slipway.graph.publish import Login, attach, publish, signed_in
        from slipway.graph.smoke import smoke

        settings, source = await self._read(workspace)
        given = Login(username, password) if password else None
        login = given or await signed_in(address, await _keys(credentials), registry)
        built = image.image(source, settings, image.Label(revision, committed))
        await smoke(built, settings)
        pushed = await publish(built, address, login, registry)
        if source.lock_name == "uv.lock":
            await attach(await image.sbom(source, settings).contents(), pushed, login, registry)
        return str(pushed)

    @never_cached
    async def environment(
        self,
        workspace: dagger.Workspace,
        name: Annotated[str, Doc("An environment of [tool.slipway.environments]")],
        credentials: Credentials = None,
        endpoint: Annotated[
            dagger.Service | None, Doc("What stands in for AWS, as tcp://host:port of `slipway simulator`")
        ] = None,
    ) -> "Environment":
        """One environment, to deploy to and to ask about."""
        from slipway.graph.workspace import file_of

        pyproject = await file_of(workspace, "pyproject.toml").contents()
        return Environment(name=name, pyproject=pyproject, credentials=credentials, endpoint=endpoint)

    async def _settings(self, workspace: dagger.Workspace) -> "Settings":
        from slipway.graph.workspace import settings_of

        given = {
            "platform": self.platform,
            "distroless": self.distroless,
            "python": self.python_image,
            "uv": self.uv_image,
            "postgres": self.postgres_image,
            "registry": self.registry_image,
        }
        return (await settings_of(workspace)).made_of({name: value for name, value in given.items() if value})

    async def _read(self, workspace: dagger.Workspace) -> "tuple[Settings, Source]":
        """What the repository says of the service, and the files of it that an image needs."""
        from slipway.graph.workspace import source_of

        settings = await self._settings(workspace)
        return settings, await source_of(workspace, settings)


@object_type
@dataclasses.dataclass
class Environment:
    """One place where the service runs."""

    name: str
    pyproject: str = dataclasses.field(repr=False)
    credentials: dagger.Secret | None = None
    endpoint: dagger.Service | None = None

    @never_cached
    async def plan(self, image: Image) -> dagger.Directory:
        """Tell what a deployment would change, for people in plan.txt and summary.md, for deploy in plan.json; nothing is touched."""
        from slipway.report.files import of_plan

        verbs = await self._verbs(self.name)
        files = of_plan(await verbs.plan(verbs.digest_of(image)))
        print(files["plan.txt"], end="")  # noqa: T201
        return _directory(files)

    @never_cached
    async def deploy(
        self,
        image: Annotated[str | None, _IMAGE] = None,
        plan: Annotated[dagger.File | None, Doc("Instead of an image, the plan.json that was approved")] = None,
        certificate: Proven = None,
    ) -> str:
        """Deploy an image by digest, or exactly what a plan says, and fail unless it is live and healthy."""
        from slipway.records.form import from_json
        from slipway.records.plan import Plan

        verbs, proven = await self._verbs(self.name), (await _evidence(certificate)).certificate
        if image and not plan:
            return _spoken(await verbs.deploy(verbs.digest_of(image), _tell, proven))
        if plan and not image:
            approved = from_json(Plan, await plan.contents(), "the plan")
            return _spoken(await verbs.apply(approved, _tell, proven))
        raise BadInputError("deploy needs one thing to deploy", "give either --image or --plan")

    @never_cached
    async def migrate(
        self,
        image: Image,
        look: Annotated[bool, Doc("Change nothing, and show where the database stands")] = False,  # noqa: FBT002 -- a flag
    ) -> str:
        """Bring the database to the head of an image, or look where it stands; a deployment does it by itself where the settings name a runner."""
        from slipway.report import answers

        verbs = await self._verbs(self.name)
        runner = await verbs.migrating(verbs.digest_of(image))
        if not look:
            return answers.of_migration(await runner.migrate(_tell), self.name).text
        seen = answers.of_standing(await runner.look(), self.name)
        if seen.code:
            raise SaidNoError(seen.text)
        return seen.text

    @never_cached
    async def promote(
        self,
        to: Annotated[str, Doc("The environment that gets the digest")],
        certificate: Proven = None,
        without_proof: Reason = "",
    ) -> str:
        """Deploy to another environment the digest that is live and healthy here."""
        from slipway.verbs.promote import promote

        origin, target = await self._verbs(self.name), await self._verbs(to)
        return _spoken(await promote(origin, target, _tell, await _evidence(certificate, without_proof)))

    @never_cached
    async def rollback(
        self,
        to: Annotated[int | None, Doc("The deployment to go back to, as history numbers them")] = None,
        certificate: Proven = None,
        without_proof: Reason = "",
    ) -> str:
        """Bring a recorded release back, by digest; the database stays as it is."""
        from slipway.verbs.rollback import rollback

        proven = await _evidence(certificate, without_proof)
        return _spoken(await rollback(await self._verbs(self.name), _tell, to, proven))

    @never_cached
    async def pause(self) -> str:
        """Let the service rest; its configuration and its address stay."""
        from slipway.verbs.pause import pause

        return _spoken(await pause(await self._verbs(self.name), _tell))

    @never_cached
    async def resume(self) -> str:
        """Wake the paused service with the release that it had."""
        from slipway.verbs.pause import resume

        return _spoken(await resume(await self._verbs(self.name), _tell))

    @never_cached
    async def destroy(self, confirm: Annotated[str, Doc("The service's name: there is no way back")]) -> str:
        """Delete the service and its address for good; images and history stay."""
        from slipway.verbs.destroy import destroy

        return _spoken(await destroy(await self._verbs(self.name), _tell, confirm))

    @never_cached
    async def status(self) -> str:
        """Show what is live, how it came there, what goes on, and what the release says of itself."""
        from slipway.report.release_text import of_situation
        from slipway.verbs.status import status

        return of_situation(await status(await self._verbs(self.name)))

    @never_cached
    async def history(self) -> str:
        """Show what has been deployed, newest first."""
        from slipway.report.release_text import of_history

        return of_history(await (await self._verbs(self.name)).history())

    @never_cached
    async def diagnose(
        self, number: Annotated[int | None, Doc("A deployment, as history numbers them; else the newest change")] = None
    ) -> str:
        """Say why the newest change of the service failed, and the lines that show it."""
        from slipway.report.release_text import of_examination
        from slipway.verbs.diagnose import diagnose

        return of_examination(await diagnose(await self._verbs(self.name), number))

    async def _verbs(self, name: str) -> "Verbs":
        from slipway import settings
        from slipway.errors import BadInputError
        from slipway.verbs.environment import Environment as Verbs
        from slipway.verbs.environment import wall_clock

        loaded = settings.parse(self.pyproject)
        loaded.environment(name)
        if self.endpoint:
            url = await (await self.endpoint.start()).endpoint(scheme="http")
            return Verbs(settings=loaded, name=name, endpoint_url=url, time=wall_clock())
        keys = await _keys(self.credentials)
        if keys is None:
            raise BadInputError(
                "there are no AWS credentials", 'add --credentials "cmd://aws configure export-credentials"'
            )
        return _migrating_here(Verbs(settings=loaded, name=name, endpoint_url=None, time=wall_clock(), keys=keys))


class SaidNoError(Exception):
    """The answer is no; the message is all that a person sees of it."""


async def _keys(credentials: dagger.Secret | None) -> "Keys | None":
    from datetime import UTC, datetime

    from slipway.release.aws.credentials import parse

    return parse(await credentials.plaintext(), datetime.now(UTC)) if credentials else None


def _migrating_here(verbs: "Verbs") -> "Verbs":
    """What a machine migrates directly, an engine does in a container."""
    from functools import partial

    from slipway.graph.migration import runner_at
    from slipway.settings import RunnerKind

    there = verbs.settings.environment(verbs.name).migration
    if there is None or there.runner is not RunnerKind.DIRECT:
        return verbs
    return dataclasses.replace(verbs, runner=partial(runner_at, verbs))


def _directory(files: Mapping[str, str]) -> dagger.Directory:
    directory = dag.directory()
    for name, text in files.items():
        directory = directory.with_new_file(name, text)
    return directory


def _green(verdict: "Verdict") -> str:
    if verdict.exit_code:
        raise SaidNoError(verdict.why_not)
    return verdict.said


def _tell(event: "Event") -> None:
    """The engine shows each line with its time."""
    from slipway.report.progress_text import lines

    for line in lines(event):
        print(line)  # noqa: T201


async def _evidence(certificate: dagger.File | None, reason: str = "") -> "Evidence":
    from slipway.records.certificate import Certificate
    from slipway.records.form import from_json
    from slipway.verbs.proof import Evidence

    text = await certificate.contents() if certificate else None
    return Evidence(from_json(Certificate, text, "the certificate") if text is not None else None, reason)


def _spoken(outcome: "Outcome") -> str:
    from slipway.report.release_text import of_outcome

    if outcome.status.exit_code:
        raise SaidNoError(of_outcome(outcome))
    return of_outcome(outcome)
