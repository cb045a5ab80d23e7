"""One environment of a service, for reading: its platform, its ledger, and the answers of the live release."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import httpx

from slipway.environment.specification import settings_of
from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.oci.registry import certificates
from slipway.records.answer import Answer
from slipway.records.image import Reference
from slipway.records.ledger import History, Release
from slipway.records.migration import Readiness
from slipway.records.plan import FieldChange, Observed, State
from slipway.records.progress import Progress
from slipway.release.aws.client import Aws, Keys, check_region
from slipway.release.aws.ecr import EcrStore, check_repository
from slipway.release.engine.compatibility import is_behind, readiness_from
from slipway.release.engine.late import LateStore
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.overtaken import with_ends
from slipway.release.engine.plan import ServiceSpec, checked_path, plan
from slipway.release.engine.recorded import live_with
from slipway.release.engine.target import Target, Time
from slipway.release.targets.supported import TargetDescription, target_of
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings import Settings

NO_DIGEST = f"sha256:{0:064}"
NEWEST = 100  # deployments that ECR returns in one call
_TIMEOUT_SECONDS = 10
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds between attempts to reach a release that the platform considers healthy


class UnansweredError(RefusedError):
    """A path without an answer, or with an error status. The exception has the answer's body."""

    body = ""


@dataclass(frozen=True, kw_only=True)
class ObservedEnvironment:
    """An environment that is only read.

    - endpoint_url: the URL of an AWS emulator; None for AWS itself.
    - time: the platform's clock.
    - keys: AWS credentials; None for those that boto3 finds.
    - note: is called with a line about each longer wait for AWS.
    - addresses: the addresses of the called services, by variable.
    - connection, records: those of an environment that is already open; None to open new ones.
    """

    settings: Settings
    name: str
    endpoint_url: str | None
    time: Time
    keys: Keys | None = None
    note: Callable[[str], object] = Progress().note
    addresses: Mapping[str, str] = field(default_factory=dict)
    connection: Aws | None = None
    records: Ledger | None = None

    @cached_property
    def aws(self) -> Aws:
        if self.connection:
            return self.connection
        if self.endpoint_url is None:
            check_region(self.platform.api, self.own_settings.region)
        aws = Aws(self.own_settings.region, self.endpoint_url, self.keys, self.time.sleep)
        aws.patience.tell = self.note
        return aws

    @property
    def own_settings(self) -> EnvironmentSettings:
        return self.resolved.environment(self.name)

    @property
    def resolved(self) -> Settings:
        """The settings with the called services' addresses among their variables."""
        if not self.addresses:
            return self.settings
        # without the secret of a managed database, because migrations use another one
        env = self.settings.environments[self.name]
        made = replace(env, variables={**env.variables, **self.addresses})
        return replace(self.settings, calls=(), environments={**self.settings.environments, self.name: made})

    @property
    def smoke_paths(self) -> tuple[str, ...]:
        """The paths that show whether the service answers: the smoke paths, otherwise the health path."""
        return self.settings.smoke_paths or tuple(filter(None, [self.settings.health_path]))

    @property
    def service(self) -> str:
        return self.settings.service_name(self.name)

    @property
    def platform(self) -> TargetDescription:
        return target_of(self.settings, self.name)

    @property
    def target(self) -> Target:
        return self.platform.connect(self.settings, self.name, self.aws, self.time)

    @property
    def store(self) -> EcrStore:
        return EcrStore(self.aws, self.settings.ledger(self.name))

    @cached_property
    def ledger(self) -> Ledger:
        return self.records or Ledger(self.store, self.name)

    def with_settings(self, settings: Settings) -> Self:
        """Return the same environment with other settings. It keeps the connection and the ledger's records."""
        return self._with(settings=settings)

    def impatient(self) -> Self:
        """Return the same environment with a limit of some twenty seconds for reads.

        Records that the ledger has not returned by then count as absent.
        """
        made = replace(self, connection=self.aws.impatient(), records=None)
        return replace(made, records=Ledger(LateStore(made.store), self.name))

    def with_addresses(self, addresses: Mapping[str, str]) -> Self:
        """Return the same environment with the addresses of the called services, by variable."""
        return self._with(addresses=addresses)

    def _with(self, **parts: Any) -> Self:
        return replace(self, **{"connection": self.aws, "records": self.ledger, **parts})

    def spec(self, digest: str) -> ServiceSpec:
        """Return the desired service with this digest. Raise SettingsError when the settings do not fit."""
        return self.platform.spec(self.resolved, self.name, digest)

    def digest_of(self, image: str) -> str:
        """Return the digest of an image.

        Raise BadInputError when the image is in another repository than this environment's.
        """
        reference = Reference.parse(image)
        ours = Reference(self.settings.repository(self.name), reference.digest)
        check_repository(reference, ours, simulated=self.endpoint_url is not None)
        return reference.digest

    def spec_of_live(self, observed: Observed) -> ServiceSpec | None:
        """Return the spec of the live release; None when its image is not named by digest."""
        try:
            return self.spec(Reference.parse(observed.fields.get("image", "")).digest)
        except BadInputError:
            return None

    async def history(self, most: int = NEWEST) -> History:
        """Return the newest deployments in the ledger, at most `most`."""
        return await self.ledger.history(most)

    async def settled(self, history: History) -> History:
        """Return a history with the ends that only the platform has recorded."""
        return await with_ends(history, self.ledger, self.target, self.time.now())

    async def status(self) -> Observed:
        """Observe the service on the platform."""
        return await self.target.observe()

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

    def address_of(self, host: str | None) -> str:
        """Return the URL of a host. Platforms report the host only, and always use HTTPS."""
        return f"{'http' if self.endpoint_url else 'https'}://{host}"


async def existing(environment: ObservedEnvironment) -> Observed:
    """Return the service as the platform reports it. Raise RefusedError when there is none."""
    observed = await environment.status()
    if observed.arn is None:
        raise RefusedError(
            f"there is no service {environment.service}",
            "deploy one with `slipway deploy`; `slipway history` lists the deployments of a deleted one",
        )
    return observed


async def live_digest(environment: ObservedEnvironment) -> str:
    """Return the serving digest. Raise RefusedError when there is none."""
    return digest_in(environment, await existing(environment))


def digest_in(environment: ObservedEnvironment, observed: Observed) -> str:
    """Return the digest of an observed service. Raise RefusedError when it has none."""
    if observed.digest is None:
        raise RefusedError(f"no image is live in {environment.name}", "`slipway status` shows its state")
    return observed.digest
