"""One open environment of a service: its settings, its platform and its ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from slipway.errors import BadInputError, RefusedError
from slipway.records.image import Reference
from slipway.records.ledger import History
from slipway.records.plan import Observed
from slipway.records.progress import Progress
from slipway.release.aws.client import Aws, Keys, check_region
from slipway.release.aws.ecr import EcrStore, check_repository
from slipway.release.engine.late import LateStore
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.overtaken import with_ends
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Target, Time
from slipway.release.targets.supported import TargetDescription, target_of
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings import Settings

NO_DIGEST = f"sha256:{0:064}"
NEWEST = 100  # deployments that ECR returns in one call


@dataclass(frozen=True, kw_only=True)
class OpenEnvironment:
    """An environment with its connections to AWS, which are opened on first use.

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
        return await self.target.observe()

    def address_of(self, host: str | None) -> str:
        """Return the URL of a host. Platforms report the host only, and always use HTTPS."""
        return f"{'http' if self.endpoint_url else 'https'}://{host}"


async def existing(environment: OpenEnvironment) -> Observed:
    """Return the service as the platform reports it. Raise RefusedError when there is none."""
    observed = await environment.status()
    if observed.arn is None:
        raise RefusedError(
            f"there is no service {environment.service}",
            "deploy one with `slipway deploy`; `slipway history` lists the deployments of a deleted one",
        )
    return observed


async def live_digest(environment: OpenEnvironment) -> str:
    """Return the serving digest. Raise RefusedError when there is none."""
    return digest_in(environment, await existing(environment))


def digest_in(environment: OpenEnvironment, observed: Observed) -> str:
    """Return the digest of an observed service. Raise RefusedError when it has none."""
    if observed.digest is None:
        raise RefusedError(f"no image is live in {environment.name}", "`slipway status` shows its state")
    return observed.digest
