"""The Dagger object of one environment: what changes or reads AWS."""

import dataclasses
from typing import Annotated, Any

import dagger
from dagger import Doc

from slipway.commands import account, flags, release, service
from slipway.objects.call import Call
from slipway.objects.function import described, directory, object_type

Image = Annotated[str, Doc(flags.IMAGE.doc)]
Certificate = Annotated[dagger.File | None, Doc(flags.CERTIFICATE.doc)]
Reason = Annotated[str, Doc(flags.WITHOUT_PROOF.doc)]
WithoutStart = Annotated[bool, Doc(flags.WITHOUT_START.doc)]
DryRun = Annotated[bool, Doc(flags.DRY_RUN.doc)]


@object_type
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

        answer = await Call(self).answer("plan", environment=self.name, image=image)
        print(answer.text, end="")  # noqa: T201
        return await directory(of_plan(answer.record))

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
        return (await Call(self).answer(name, environment=self.name, **arguments, red=True)).text
