"""One environment of a service, to be read: its platform, its ledger, and the answers of the live release."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import httpx

from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.oci.registry import certificates
from slipway.records.image import Reference
from slipway.records.ledger import History, Intent, OpenDeployment, Situation
from slipway.records.migration import Readiness
from slipway.records.outcome import NOTHING, Examination
from slipway.records.plan import Observed, State
from slipway.records.progress import Progress
from slipway.release.aws.client import Aws, Keys, check_region
from slipway.release.aws.ecr import check_repository, revision_of
from slipway.release.aws.ledger import LedgerStore
from slipway.release.engine.compatibility import readiness_from
from slipway.release.engine.ledger import Ledger, digest_of, live_with
from slipway.release.engine.overtaken import with_ends
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation, OperationStatus, Target, Time
from slipway.release.targets.supported import TargetDescription, target_of
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings import Settings

NO_DIGEST = f"sha256:{0:064}"
HISTORY = 100  # deployments, which ECR returns in one call
_NOT_FAILED = (OperationStatus.SUCCEEDED, OperationStatus.IN_FLIGHT)
_TIMEOUT_SECONDS = 10
_POLL_SECONDS = 5.0
_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds between attempts to reach a release that the platform calls healthy


@dataclass(frozen=True, kw_only=True)
class ObservedEnvironment:
    """An environment that is only read.

    - endpoint_url: a stand-in for AWS. time: the platform's clock. keys: AWS credentials; None for those that boto3 finds.
    - note: receives a line about each longer wait for AWS.
    """

    settings: Settings
    name: str
    endpoint_url: str | None
    time: Time
    keys: Keys | None = None
    note: Callable[[str], object] = Progress().note

    @cached_property
    def aws(self) -> Aws:
        if self.endpoint_url is None:
            check_region(self.described.api, self.own_settings.region)
        aws = Aws(self.own_settings.region, self.endpoint_url, self.keys, self.time.sleep)
        aws.patience.tell = self.note
        return aws

    @property
    def own_settings(self) -> EnvironmentSettings:
        return self.settings.environment(self.name)

    @property
    def smoke_paths(self) -> tuple[str, ...]:
        """The paths that show whether the service answers; without any, its health path."""
        return self.settings.smoke_paths or tuple(filter(None, [self.settings.health_path]))

    @property
    def service(self) -> str:
        return self.settings.service_name(self.name)

    @property
    def described(self) -> TargetDescription:
        return target_of(self.settings, self.name)

    @property
    def target(self) -> Target:
        return self.described.connect(self.settings, self.name, self.aws, self.time)

    @cached_property
    def store(self) -> LedgerStore:
        return LedgerStore(self.aws, self.settings.ledger(self.name), self.settings.name, self.name)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.store, self.name)

    def with_settings(self, settings: Settings) -> Self:
        """Return the same environment with other settings; the connection, and what is known of the ledger, are kept."""
        return self._with(settings=settings)

    def _with(self, **parts: Any) -> Self:
        made = replace(self, **parts)
        vars(made).update({key: vars(self)[key] for key in ("aws", "store", "ledger") if key in vars(self)})
        return made

    def spec(self, digest: str) -> ServiceSpec:
        """Return the service as it should be with this digest; raises SettingsError."""
        return self.described.spec(self.settings, self.name, digest)

    def digest_of(self, image: str) -> str:
        """Return the digest of an image; raises BadInputError if this environment deploys from another repository."""
        reference = Reference.parse(image)
        check_repository(reference, self.spec(reference.digest).image, simulated=self.endpoint_url is not None)
        return reference.digest

    def spec_of_live(self, observed: Observed) -> ServiceSpec | None:
        """Return the spec of the live release; None if its image is not named by digest."""
        try:
            return self.spec(Reference.parse(observed.fields.get("image", "")).digest)
        except BadInputError:
            return None

    async def history(self, most: int = 20) -> History:
        """Return the newest deployments in the ledger, at most `most`."""
        return await self.ledger.history(most)

    async def settled(self, history: History) -> History:
        """Return a history with the ends that only the platform recorded."""
        return await with_ends(history, self.ledger, self.target, self.time.now())

    async def status(self) -> Observed:
        """Observe the service on the platform."""
        return await self.target.observe()

    async def smoke(self) -> tuple[str, ...]:
        """GET every smoke path and return the paths; raises RefusedError at the first status of 400 or more."""
        observed = await self.status()
        for path in self.smoke_paths:
            await self.ask(observed, path)
        return self.smoke_paths

    async def smoke_failure(self, observed: Observed) -> str | None:
        """Return why a smoke path does not answer, after several attempts; None if all do. A new address is not known everywhere at once."""
        for path in self.smoke_paths if observed.url and not observed.private else ():
            if problem := await self._failure(observed, path):
                return problem
        return None

    async def _failure(self, observed: Observed, path: str) -> str | None:
        for pause in (*_PAUSES, None):
            try:
                await self.ask(observed, path)
            except RefusedError as error:
                problem = error.what
            else:
                return None
            if pause:
                await self.time.sleep(pause)
        return problem

    async def readiness(self, observed: Observed) -> Readiness | None:
        """Return the readiness answer of the live release; None if it gives none."""
        return (await self.health(observed))[0]

    async def health(self, observed: Observed) -> tuple[Readiness | None, str]:
        """Return the readiness answer of the live release, and why its health path does not answer, otherwise empty."""
        if self.settings.health_path is None or observed.url is None or observed.private:
            return None, ""
        try:
            return readiness_from(await self.ask(observed, self.settings.health_path)), ""
        except RefusedError as error:
            return None, error.what

    async def ask(self, observed: Observed, path: str) -> str:
        """GET one path of the public address and return the body; raises RefusedError on a status of 400 or more."""
        url = self.address(observed)
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, verify=certificates()) as client:
                answer = await client.get(f"{url}{path}")
        except httpx.HTTPError as error:
            raise RefusedError(f"{self.name} does not answer {path}", str(error) or type(error).__name__) from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise RefusedError(
                f"{self.name} answers {path} with {answer.status_code}", "look at its log with `slipway diagnose`"
            )
        return answer.text

    def address(self, observed: Observed) -> str:
        """Return the public URL: the platform reports only the host, and always serves TLS."""
        return f"{'http' if self.endpoint_url else 'https'}://{observed.url}"


async def described(environment: ObservedEnvironment, history: History) -> History:
    """Return a history with the facts about its unfinished deployments; the commits only where the images can be read."""
    if not history.unfinished:
        return history
    intents = [intent for intent, _ in await environment.ledger.begun(history.unfinished)]
    return replace(history, open=tuple([await _open(environment, intent) for intent in intents]))


async def _open(environment: ObservedEnvironment, intent: Intent) -> OpenDeployment:
    commit = None
    if intent.image:
        with suppress(SlipwayError):
            commit = await revision_of(environment.aws, environment.settings.name, digest_of(intent))
    return OpenDeployment(
        number=intent.number, verb=intent.verb, image=intent.image, holder=intent.holder, commit=commit
    )


async def status(environment: ObservedEnvironment) -> Situation:
    """Read the platform, the ledger and the release; raises SlipwayError if the platform cannot be read.

    Without access to the ledger everything else is returned, and `unseen` says why the ledger is missing.
    """
    from slipway.environment.moved import gone

    observed = await environment.status()
    history, unseen = await _history(environment)
    readiness, unanswered = await environment.health(observed) if observed.digest else (None, "")
    moved = None if unseen else await gone(environment)
    return Situation(
        environment=environment.name,
        observed=observed,
        live=live_with(history.releases, observed.digest),
        newest=next(iter(history.releases), None),
        unfinished=history.unfinished,
        open=history.open,
        readiness=readiness,
        unseen=unseen,
        unanswered=unanswered,
        traffic=moved.what if moved else "",
    )


async def watch(environment: ObservedEnvironment) -> AsyncIterator[Situation]:
    """Yield the situation again and again; ends with an operation that was in progress."""
    was_busy = False
    while True:
        situation = await status(environment)
        yield situation
        is_busy = situation.observed.state is State.BUSY
        if was_busy and not is_busy:
            return
        was_busy = is_busy
        await environment.time.sleep(_POLL_SECONDS)


async def existing(environment: ObservedEnvironment) -> Observed:
    """Return the service as the platform reports it; raises RefusedError when there is none."""
    observed = await environment.status()
    if observed.arn is None:
        raise RefusedError(
            f"there is no service {environment.service}",
            "deploy one with `slipway deploy`; `slipway history` lists the deployments of a deleted one",
        )
    return observed


async def live_digest(environment: ObservedEnvironment) -> str:
    """Return the digest that serves; raises RefusedError when there is none."""
    return digest_in(environment, await existing(environment))


def digest_in(environment: ObservedEnvironment, observed: Observed) -> str:
    """Return the digest of a service that was observed; raises RefusedError when it has none."""
    if observed.digest is None:
        raise RefusedError(f"no image is live in {environment.name}", "`slipway status` shows its state")
    return observed.digest


async def _history(environment: ObservedEnvironment) -> tuple[History, str]:
    try:
        history = await environment.settled(await environment.history(HISTORY))
        return await described(environment, history), ""
    except SlipwayError as error:
        return History(environment.name, ()), str(error)


async def diagnose(environment: ObservedEnvironment, number: int | None) -> Examination:
    """Examine deployment `number`, or the newest change of the service; raises SlipwayError if the platform cannot be read."""
    target = environment.target
    operation = await target.newest() if number is None else await operation_of(environment, number)
    if operation is None:
        return Examination(environment.name, None, NOTHING)
    ending = await target.ending(operation)
    failed = ending not in _NOT_FAILED
    diagnosis = await target.evidence(operation, await _spec(environment, number)) if failed else None
    known = number or await _number_of(environment, operation)
    return Examination(environment.name, operation.id, ending.value, diagnosis, known)


async def _number_of(environment: ObservedEnvironment, operation: Operation) -> int | None:
    """Return the newest deployment that started an operation; None when it is another client's, or the ledger cannot be read."""
    with suppress(SlipwayError):
        accepted = (await environment.ledger.contents()).accepted
        for intent, started in await environment.ledger.begun(sorted(accepted, reverse=True)):
            if started and started.id == operation.id:
                return intent.number
    return None


async def operation_of(environment: ObservedEnvironment, number: int) -> Operation:
    """Return the platform's operation for deployment `number`; raises BadInputError if it has none."""
    accepted = await environment.ledger.accepted(number)
    if accepted is None:
        if await environment.ledger.intent(number) is None:
            raise BadInputError(f"the ledger has no deployment {number}", "`slipway history` lists the recorded ones")
        raise BadInputError(
            f"deployment {number} started no operation on the platform", "`slipway history` shows how it ended"
        )
    return accepted


async def _spec(environment: ObservedEnvironment, number: int | None) -> ServiceSpec:
    """Return the release meant: the diagnosis needs its settings and the values it must not show. Another tool's may have no digest."""
    intent = None if number is None else await environment.ledger.intent(number)
    if intent is not None and intent.image:
        return environment.spec(digest_of(intent))
    return environment.spec_of_live(await environment.status()) or environment.spec(NO_DIGEST)
