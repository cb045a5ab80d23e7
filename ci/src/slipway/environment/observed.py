"""One environment of a service, for reading: its live release and the answers of that."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx

from slipway.environment.opened import OpenEnvironment
from slipway.environment.specification import settings_of
from slipway.errors import RefusedError, SlipwayError
from slipway.oci.registry import certificates
from slipway.records.answer import Answer
from slipway.records.image import Reference
from slipway.records.ledger import Release
from slipway.records.migration import Readiness
from slipway.records.plan import FieldChange, Observed, State
from slipway.release.engine.compatibility import is_behind, readiness_from
from slipway.release.engine.plan import checked_path, plan
from slipway.release.engine.recorded import live_with

_TIMEOUT_SECONDS = 10
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds between attempts to reach a release that the platform considers healthy


class UnansweredError(RefusedError):
    """A path without an answer, or with an error status. The exception has the answer's body."""

    body = ""


@dataclass(frozen=True, kw_only=True)
class ObservedEnvironment(OpenEnvironment):
    """An environment whose live release is asked, with the settings that the ledger recorded for it."""

    @property
    def smoke_paths(self) -> tuple[str, ...]:
        """The paths that show whether the service answers: the smoke paths, otherwise the health path."""
        return self.settings.smoke_paths or tuple(filter(None, [self.settings.health_path]))

    async def smoke(self) -> tuple[str, ...]:
        """GET every smoke path and return the paths. Raise RefusedError at the first status of 400 or more."""
        observed = await self.status()
        for path in self.smoke_paths:
            await self.ask(observed, path)
        return self.smoke_paths

    async def smoke_failure(self, observed: Observed) -> str:
        """Return why the service did not answer in several attempts, with the current settings' smoke paths; empty when it did."""
        return (await self.answer(observed, self.settings.smoke_paths)).problem

    async def problem_of(self, observed: Observed) -> str:
        """Request the live release once. Return why it did not answer; empty when it did."""
        return (await self.answer_of(observed, pauses=())).problem

    async def answer_of(
        self, observed: Observed, requested: str | None = None, pauses: Sequence[float] = PAUSES
    ) -> Answer:
        """Request the live release's paths.

        They are the current settings' when it has the `requested` digest, otherwise those recorded for the release.
        """
        if requested is not None and observed.digest == requested:
            return await self.answer(observed, self.settings.smoke_paths, pauses)
        live = None
        with suppress(SlipwayError):
            live = live_with((await self.history()).releases, observed.digest)
        return await self.answer(observed, await self.paths_of(live), pauses)

    async def paths_of(self, live: Release | None) -> tuple[str, ...]:
        """Return the smoke paths with which a release was deployed; the current settings' when these are unknown."""
        recorded = await self.recorded_of(live)
        return recorded.settings.smoke_paths if recorded else self.settings.smoke_paths

    async def recorded_of(self, live: Release | None) -> Self | None:
        """Return this environment with the recorded settings of a release; None when there are none, or when they cannot be read."""
        with suppress(SlipwayError):
            intent = await self.ledger.intent(live.number) if live else None
            if intent and intent.specification:
                settings = settings_of(intent.specification, self.name, f"release {intent.number}")
                return self.with_settings(settings).with_addresses(intent.specification.addresses)
        return None

    def differs(self, observed: Observed) -> tuple[str, ...]:
        """Return the fields in which a live service differs from the settings.

        Variables with unknown values are left out.
        """
        changes: tuple[FieldChange, ...] = ()
        with suppress(SlipwayError):  # before a move the settings are for another platform
            if observed.state is State.LIVE and (spec := self.spec_of_live(observed)):
                changes = plan(spec, observed).changes
        return tuple(each.name for each in changes if each.after is not None)

    async def answer(
        self, observed: Observed, smoke_paths: tuple[str, ...], pauses: Sequence[float] = PAUSES
    ) -> Answer:
        """Request these paths and the health path of the live release.

        After a failure, each of the pauses is followed by another attempt, because a new address is not known
        everywhere at once.
        """
        if observed.main_digest is None or observed.url is None or observed.private:
            return Answer()
        answer = await self._answer(observed, smoke_paths)
        for pause in pauses:
            if not answer.problem:
                break
            if pause is pauses[0]:
                self.aws.patience.tell(f"{answer.problem}; asking again for about {sum(pauses):.0f} s")
            await self.time.sleep(pause)
            answer = await self._answer(observed, smoke_paths)
        if not answer.problem:
            return answer
        image = str(Reference(self.settings.repository(self.name), observed.main_digest))
        with suppress(SlipwayError):
            known = await self._known_heads(observed, answer.readiness)
            seen = (await self.history()).releases, await self.ledger.last_migration()
            return replace(answer, known=known, image=image, is_behind=is_behind(known, *seen))
        return answer

    async def _answer(self, observed: Observed, smoke_paths: tuple[str, ...]) -> Answer:
        checked, readiness, problems = checked_path(observed.fields), None, []
        paths = tuple(dict.fromkeys((*smoke_paths, *filter(None, [checked]))))
        for path in paths:
            try:
                text = await self.ask(observed, path)
            except UnansweredError as error:
                problems.append(error.what)
                text = error.body
            if path == checked:
                readiness = readiness_from(text)
        answer = Answer(paths=paths, problem=next(iter(problems), ""), readiness=readiness)
        if answer.is_without_database:
            found = f"{self.name} reports at {checked} that it cannot reach its database"
            return replace(answer, problem=f"{answer.problem}; {found}" if problems else found)
        return answer

    async def readiness(self, observed: Observed) -> Readiness | None:
        """Return the live release's statement at its health path; None when it makes none."""
        path = checked_path(observed.fields)
        if path is None or observed.url is None or observed.private:
            return None
        try:
            return readiness_from(await self.ask(observed, path))
        except RefusedError:
            return None

    async def known_heads(self, observed: Observed) -> Readiness:
        """Return the revisions of the live release and its database, from its health path or from the ledger."""
        return await self._known_heads(observed, await self.readiness(observed))

    async def _known_heads(self, observed: Observed, readiness: Readiness | None) -> Readiness:
        if readiness and readiness.database is not None:
            return readiness
        releases = (await self.history()).releases
        newest = next((release for release in releases if release.database is not None), None)
        database = newest.database if newest else None
        # A run that was killed, or could not read its own outcome, may have migrated.
        if (last := await self.ledger.last_migration()) and (newest is None or last[0] > newest.number):
            database = last[1].known_after
        live = live_with(releases, observed.main_digest)
        return Readiness(live.heads if live else None, database, live.commit if live else None)

    async def ask(self, observed: Observed, path: str) -> str:
        """GET one path of the public address and return the body. Raise RefusedError for a status of 400 or more."""
        answer = await self.get(str(observed.url), path)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            refused = UnansweredError(
                f"{self.name} answers {path} with {answer.status_code}", "look at its log with `slipway diagnose`"
            )
            refused.body = answer.text
            raise refused
        return answer.text

    async def get(self, host: str, path: str, name: str = "") -> httpx.Response:
        """GET a path of a host. `name` is another host name to request; the certificate must be valid for it.

        Raise UnansweredError when there is no answer. For the names in its account, the simulator is the proxy. No
        other proxy is used with `name`, because httpx would send it the host instead.
        """
        url = f"{self.address_of(host)}{path}"
        named: dict[str, Any] = {"headers": {"host": name}, "extensions": {"sni_hostname": name}} if name else {}
        proxy = self.endpoint_url if name else None
        try:
            async with httpx.AsyncClient(
                timeout=_TIMEOUT_SECONDS, verify=certificates(), proxy=proxy, trust_env=not name
            ) as client:
                with self.aws.patience.reporting(f"{self.name} has not answered {path}", _TIMEOUT_SECONDS):
                    return await client.get(url, **named)
        except httpx.HTTPError as error:
            raise UnansweredError(f"{self.name} does not answer {path}", str(error) or type(error).__name__) from error
