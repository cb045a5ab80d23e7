"""The Dagger object of one environment: what changes or reads AWS."""

from typing import Annotated, Any

import dagger
from dagger import Doc

from slipway.commands import account, flags, release, service
from slipway.objects.call import Call
from slipway.objects.function import described, directory, object_type

Image = Annotated[str, Doc(flags.IMAGE.doc)]
Images = Annotated[list[str], Doc(flags.IMAGES.doc)]
All = Annotated[bool, Doc(flags.ALL.doc)]
Certificate = Annotated[dagger.File | None, Doc(flags.CERTIFICATE.doc)]
Reason = Annotated[str, Doc(flags.WITHOUT_PROOF.doc)]
WithoutStart = Annotated[bool, Doc(flags.WITHOUT_START.doc)]
DryRun = Annotated[bool, Doc(flags.DRY_RUN.doc)]


@object_type
class Environment:
    """One environment of the service.

    Each function reads the settings itself, because the engine may take this object from its cache.
    """

    name: str
    path: str
    credentials: dagger.Secret | None = None
    endpoint: dagger.Service | None = None

    @described
    async def bootstrap(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        ws: dagger.Workspace,
        github: Annotated[str | None, Doc(account.bootstrap.flag("github").doc)] = None,
        template: Annotated[str | None, Doc(account.bootstrap.flag("template").doc)] = None,
        apply: Annotated[bool, Doc(account.bootstrap.flag("apply").doc)] = False,  # noqa: FBT002 -- a flag
        drift: Annotated[bool, Doc(account.bootstrap.flag("drift").doc)] = False,  # noqa: FBT002 -- a flag
        image: Annotated[str | None, Doc(account.bootstrap.flag("image").doc)] = None,
        plan: Annotated[dagger.File | None, Doc(account.bootstrap.flag("plan").doc)] = None,
        replace: Annotated[list[str] | None, Doc(account.bootstrap.flag("replace").doc)] = None,
    ) -> str:
        return await self._text(
            ws,
            "bootstrap",
            github=github,
            template=template,
            apply=apply,
            drift=drift,
            image=image,
            plan=plan,
            replace=replace,
        )

    @described
    async def preflight(self, ws: dagger.Workspace, image: Image) -> str:
        return await self._text(ws, "preflight", image=image)

    @described
    async def plan(self, ws: dagger.Workspace, image: Images, all: All = False) -> dagger.Directory:  # noqa: A002, FBT002 -- a flag
        from slipway.report.files import of_plan

        answer = await Call(self, ws).answer("plan", environment=self.name, image=image, all=all)
        print(answer.text, end="")  # noqa: T201
        return await directory(of_plan(answer.record))

    @described
    async def deploy(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        ws: dagger.Workspace,
        image: Annotated[list[str] | None, Doc(flags.IMAGES.doc)] = None,
        plan: Annotated[dagger.File | None, Doc(release.deploy.flag("plan").doc)] = None,
        certificate: Certificate = None,
        older: Annotated[bool, Doc(release.deploy.flag("older").doc)] = False,  # noqa: FBT002 -- a flag
        without_start: WithoutStart = False,  # noqa: FBT002 -- a flag
        all: All = False,  # noqa: A002, FBT002 -- a flag
        without_proof: Annotated[str, Doc(release.deploy.flag("without-proof").doc)] = "",
    ) -> str:
        return await self._text(
            ws,
            "deploy",
            image=image,
            plan=plan,
            certificate=certificate,
            older=older,
            without_start=without_start,
            all=all,
            without_proof=without_proof,
        )

    @described
    async def migrate(
        self,
        ws: dagger.Workspace,
        image: Image,
        status: Annotated[bool, Doc(release.migrate.flag("status").doc)] = False,  # noqa: FBT002 -- a flag
        certificate: Annotated[dagger.File | None, Doc(flags.PROVEN.doc)] = None,
    ) -> str:
        """A deployment migrates by itself where the settings name a runner."""
        return await self._text(ws, "migrate", image=image, status=status, certificate=certificate)

    @described
    async def promote(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        ws: dagger.Workspace,
        to: Annotated[str, Doc(release.promote.flag("to").doc)],
        certificate: Certificate = None,
        without_proof: Reason = "",
        without_start: WithoutStart = False,  # noqa: FBT002 -- a flag
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(
            ws,
            "promote",
            from_=self.name,
            to=to,
            certificate=certificate,
            without_proof=without_proof,
            without_start=without_start,
            dry_run=dry_run,
        )

    @described
    async def rollback(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        ws: dagger.Workspace,
        to: Annotated[int | None, Doc(release.rollback.flag("to").doc)] = None,
        image_only: Annotated[bool, Doc(release.rollback.flag("image-only").doc)] = False,  # noqa: FBT002 -- a flag
        certificate: Certificate = None,
        without_proof: Reason = "",
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(
            ws,
            "rollback",
            to=to,
            image_only=image_only,
            certificate=certificate,
            without_proof=without_proof,
            dry_run=dry_run,
        )

    @described
    async def move(  # noqa: PLR0913, PLR0917 -- each is a flag
        self,
        ws: dagger.Workspace,
        to: Annotated[str | None, Doc(release.move.flag("to").doc)] = None,
        back: Annotated[bool, Doc(release.move.flag("back").doc)] = False,  # noqa: FBT002 -- a flag
        finish: Annotated[bool, Doc(release.move.flag("finish").doc)] = False,  # noqa: FBT002 -- a flag
        confirm: Annotated[str, Doc(release.move.flag("confirm").doc)] = "",
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(ws, "move", to=to, back=back, finish=finish, confirm=confirm, dry_run=dry_run)

    @described
    async def status(
        self,
        ws: dagger.Workspace,
        watch: Annotated[str | None, Doc(service.status.flag("watch").doc)] = None,
        all: Annotated[bool, Doc(service.status.flag("all").doc)] = False,  # noqa: A002, FBT002 -- a flag
    ) -> str:
        return await self._text(ws, "status", watch=watch, all=all)

    @described
    async def history(
        self, ws: dagger.Workspace, limit: Annotated[int, Doc(service.history.flag("limit").doc)] = 20
    ) -> str:
        return await self._text(ws, "history", limit=limit)

    @described
    async def diagnose(
        self, ws: dagger.Workspace, number: Annotated[int | None, Doc(service.diagnose.flag("number").doc)] = None
    ) -> str:
        return await self._text(ws, "diagnose", number=number)

    @described
    async def logs(
        self,
        ws: dagger.Workspace,
        since: Annotated[str | None, Doc(service.logs.flag("since").doc)] = None,
        tail: Annotated[int | None, Doc(service.logs.flag("tail").doc)] = None,
        deployment: Annotated[int | None, Doc(service.logs.flag("deployment").doc)] = None,
        errors: Annotated[bool, Doc(service.logs.flag("errors").doc)] = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(ws, "logs", since=since, tail=tail, deployment=deployment, errors=errors)

    @described
    async def run(
        self, ws: dagger.Workspace, command: Annotated[list[str], Doc(service.run.flag("command").doc)]
    ) -> str:
        return await self._text(ws, "run", command=command)

    @described
    async def pause(self, ws: dagger.Workspace, dry_run: DryRun = False) -> str:  # noqa: FBT002 -- a flag
        return await self._text(ws, "pause", dry_run=dry_run)

    @described
    async def resume(self, ws: dagger.Workspace, dry_run: DryRun = False) -> str:  # noqa: FBT002 -- a flag
        return await self._text(ws, "resume", dry_run=dry_run)

    @described
    async def abort(self, ws: dagger.Workspace) -> str:
        return await self._text(ws, "abort")

    @described
    async def destroy(
        self,
        ws: dagger.Workspace,
        confirm: Annotated[str, Doc(service.destroy.flag("confirm").doc)] = "",
        everything: Annotated[bool, Doc(service.destroy.flag("everything").doc)] = False,  # noqa: FBT002 -- a flag
        dry_run: DryRun = False,  # noqa: FBT002 -- a flag
    ) -> str:
        return await self._text(ws, "destroy", confirm=confirm, everything=everything, dry_run=dry_run)

    @described
    async def permissions(
        self,
        ws: dagger.Workspace,
        command: Annotated[list[str] | None, Doc(account.permissions.flag("command").doc)] = None,
        all: Annotated[bool, Doc(account.permissions.flag("all").doc)] = False,  # noqa: A002, FBT002 -- a flag
    ) -> str:
        return await self._text(ws, "permissions", command=command, all=all)

    async def _text(self, ws: dagger.Workspace, name: str, **arguments: Any) -> str:
        return (await Call(self, ws).answer(name, environment=self.name, **arguments, red=True)).text
