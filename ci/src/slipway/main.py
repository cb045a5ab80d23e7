"""The Dagger object: slipway's verbs as functions, each an adapter over what the command line calls too.

Nothing heavy is imported here: the module is started once a session only to say what it can do.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import dagger
from dagger import Doc, check, dag, function, object_type

if TYPE_CHECKING:
    from slipway.records.outcome import Outcome
    from slipway.records.proof import Proof
    from slipway.settings import Settings
    from slipway.verbs.environment import Environment as Verbs

F = TypeVar("F", bound=Callable[..., Any])


def never_cached(verb: F) -> F:
    """A function that has an effect or reads the world; the engine would keep its answer for a week (mypy knows no `cache`)."""
    return function(cache="never")(verb)  # type: ignore[call-overload, no-any-return]


Image = Annotated[str, Doc("The image to deploy, as repository@sha256:…")]
Major = Annotated[str | None, Doc("The Postgres major to prove on; that of the settings by default")]
Since = Annotated[str | None, Doc("Findings in this revision and older ones do not count")]
Revision = Annotated[str, Doc("The git commit, for the image's labels and its readiness answer")]


@object_type
@dataclasses.dataclass
class Slipway:
    """From a commit to production on AWS, for Python services with alembic migrations."""

    python_image: Annotated[str | None, Doc("A Python image instead of the pinned one")] = None
    uv_image: Annotated[str | None, Doc("A uv image instead of the pinned one")] = None
    postgres_image: Annotated[str | None, Doc("A Postgres image instead of the pinned ones")] = None

    @function
    async def image(self, workspace: dagger.Workspace, revision: Revision = "unknown") -> dagger.Container:
        """Build the service's image: small, non-root, on pinned bases."""
        return await self._image(workspace, revision)

    @function
    async def gate(self, workspace: dagger.Workspace, postgres: Major = None, since: Since = None) -> dagger.Directory:
        """Execute the migrations and return the reports, whatever they say: proof.json, junit.xml, summary.md, report.txt."""
        from slipway.report.files import of_proof

        reports = dag.directory()
        for name, text in of_proof(await self._proof(workspace, postgres, since)).items():
            reports = reports.with_new_file(name, text)
        return reports

    @function
    @check
    async def migrations(self, workspace: dagger.Workspace) -> None:
        """Fail when the gate refuses the migrations; it has run already when the function gate has."""
        from slipway.report.proof_text import text

        proof = await self._proof(workspace, None, None)
        if proof.failures:
            raise SaidNoError(text(proof))

    @function
    @check
    async def smoke(self, workspace: dagger.Workspace) -> None:
        """Fail when the image does not become healthy beside a database at its head."""
        from slipway.graph.smoke import smoke

        await smoke(await self._image(workspace, "unknown"), await self._settings(workspace))

    @never_cached
    async def publish(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        workspace: dagger.Workspace,
        address: Annotated[str, Doc("Where to push, as registry/repository:tag")],
        revision: Revision = "unknown",
        username: Annotated[str, Doc("Who pushes; ECR knows only AWS")] = "AWS",
        password: Annotated[dagger.Secret | None, Doc("The registry's password")] = None,
        registry: Annotated[
            dagger.Service | None, Doc("A registry in this session instead of one on the network")
        ] = None,
    ) -> str:
        """Build the image, push it, and answer exactly repository@sha256 and the digest."""
        from slipway.graph.publish import publish

        return await publish(await self._image(workspace, revision), address, username, password, registry)

    @never_cached
    async def environment(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        workspace: dagger.Workspace,
        name: Annotated[str, Doc("An environment of [tool.slipway.environments]")],
        access_key_id: Annotated[dagger.Secret | None, Doc("AWS credentials, as env://AWS_ACCESS_KEY_ID")] = None,
        secret_access_key: Annotated[dagger.Secret | None, Doc("As env://AWS_SECRET_ACCESS_KEY")] = None,
        session_token: Annotated[
            dagger.Secret | None, Doc("As env://AWS_SESSION_TOKEN, for temporary credentials")
        ] = None,
        endpoint: Annotated[
            dagger.Service | None, Doc("What stands in for AWS, as tcp://host:port of `slipway simulator`")
        ] = None,
    ) -> "Environment":
        """One environment, to deploy to and to ask about."""
        pyproject = await workspace.file("/pyproject.toml").contents()
        return Environment(
            name=name,
            pyproject=pyproject,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
            endpoint=endpoint,
        )

    async def _settings(self, workspace: dagger.Workspace) -> "Settings":
        from slipway.graph.workspace import settings_of

        settings = await settings_of(workspace)
        given = {"python": self.python_image, "uv": self.uv_image, "postgres": self.postgres_image}
        images = dataclasses.replace(settings.images, **{name: image for name, image in given.items() if image})
        return dataclasses.replace(settings, images=images)

    async def _image(self, workspace: dagger.Workspace, revision: str) -> dagger.Container:
        from slipway.graph import image
        from slipway.graph.workspace import source_of

        settings = await self._settings(workspace)
        return image.image(await source_of(workspace, settings), settings, revision)

    async def _proof(self, workspace: dagger.Workspace, major: str | None, since: str | None) -> "Proof":
        from slipway.graph.gate import prove
        from slipway.graph.workspace import source_of

        settings = await self._settings(workspace)
        return await prove(await source_of(workspace, settings), settings, major, since)


@object_type
@dataclasses.dataclass
class Environment:
    """One place where the service runs."""

    name: str
    pyproject: str = dataclasses.field(repr=False)
    access_key_id: dagger.Secret | None = None
    secret_access_key: dagger.Secret | None = None
    session_token: dagger.Secret | None = None
    endpoint: dagger.Service | None = None

    @never_cached
    async def plan(self, image: Image) -> str:
        """Show what a deployment would change; nothing is touched."""
        from slipway.oci.content import Reference
        from slipway.report.release_text import of_plan

        return of_plan(await (await self._verbs(self.name)).plan(Reference.parse(image).digest))

    @never_cached
    async def deploy(self, image: Image) -> str:
        """Deploy an image by digest, and fail unless it is live and healthy."""
        from slipway.oci.content import Reference

        verbs = await self._verbs(self.name)
        return _spoken(await verbs.deploy(Reference.parse(image).digest, lambda event: print(event.line)))  # noqa: T201

    @never_cached
    async def promote(self, to: Annotated[str, Doc("The environment that gets the digest")]) -> str:
        """Deploy to another environment the digest that is live and healthy here."""
        from slipway.verbs.environment import promote

        origin, target = await self._verbs(self.name), await self._verbs(to)
        return _spoken(await promote(origin, target, lambda event: print(event.line)))  # noqa: T201

    @never_cached
    async def status(self) -> str:
        """Show what is live."""
        from slipway.report.release_text import of_observed

        return of_observed(await (await self._verbs(self.name)).status(), self.name)

    async def _verbs(self, name: str) -> "Verbs":
        from slipway import settings
        from slipway.release.aws import Keys
        from slipway.verbs.environment import Environment as Verbs
        from slipway.verbs.environment import wall_clock

        loaded = settings.parse(self.pyproject)
        loaded.environment(name)
        keys = None
        if self.access_key_id and self.secret_access_key:
            token = await self.session_token.plaintext() if self.session_token else None
            keys = Keys(await self.access_key_id.plaintext(), await self.secret_access_key.plaintext(), token)
        url = None
        if self.endpoint:
            url = await (await self.endpoint.start()).endpoint(scheme="http")
        return Verbs(loaded, name, url, wall_clock(), keys)


class SaidNoError(Exception):
    """The answer is no; the message is all that a person sees of it."""


def _spoken(outcome: "Outcome") -> str:
    from slipway.report.release_text import of_outcome

    if outcome.status.exit_code:
        raise SaidNoError(of_outcome(outcome))
    return of_outcome(outcome)
