"""conformance: the simulator's documentation held against an account: the simulator's own, or one that is named."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import boto3
from botocore.exceptions import BotoCoreError

from slipway.conformance import leftovers
from slipway.conformance.account import AwsAccount, PlatformTime, SilentError
from slipway.conformance.service import ProbeImage
from slipway.conformance.suite import conform
from slipway.errors import BadInputError
from slipway.postgres.datadir import cache
from slipway.records.conformance import Conformance, Left
from slipway.simulator.app_runner.deployment import Pace
from slipway.simulator.clock import VirtualClock
from slipway.simulator.cloud import LOGIN, Cloud, simulated
from slipway.workload.host import HostBackend

Tell = Callable[[str], None]
_NUMBER = re.compile(r"[0-9]{12}")
_REGION = "eu-west-1"


@dataclass(frozen=True)
class Consent:
    """Who is asked: an account by its number, a region, and what stands in for AWS, if anything does."""

    account: str
    region: str | None = None
    endpoint_url: str | None = None


async def simulated_conformance(image: ProbeImage, tell: Tell) -> Conformance:
    """Against the simulator, in no time: its clock is virtual."""
    async with in_no_time() as (account, _):
        return await conform(account, image, tell)


@asynccontextmanager
async def in_no_time(pace: Pace | None = None) -> AsyncIterator[tuple[AwsAccount, Cloud]]:
    """A simulated account whose clock stands still while it is asked."""
    clock = VirtualClock()
    async with simulated(lambda url: HostBackend(url, LOGIN, cache()), pace=pace, clock=clock) as cloud:
        session = boto3.session.Session("AKIASIMULATED", "simulated", region_name=_REGION)
        yield AwsAccount(session, _REGION, PlatformTime(clock.now, clock.sleep, clock.held), cloud.url), cloud


async def permitted(consent: Consent) -> AwsAccount:
    """The account, once it has said itself that it is the one that was named; nothing else is asked. Raises BadInputError."""
    if not _NUMBER.fullmatch(consent.account):
        raise BadInputError(f"{consent.account!r} is no account", "give its twelve digits")
    try:
        session = boto3.session.Session()
        region = consent.region or session.region_name
        if region is None:
            raise BadInputError("no region is named", "give one with --region")
        account = AwsAccount(session, region, _wall_clock(), consent.endpoint_url)
        astray = [] if consent.endpoint_url else account.foreign_hosts
    except (BotoCoreError, ValueError) as error:
        raise BadInputError("AWS cannot be asked", str(error)) from error
    if astray:
        raise BadInputError(
            f"account {consent.account} was named, but an endpoint override leads to {astray[0]}",
            "unset AWS_ENDPOINT_URL and endpoint_url of the profile, or name the stand-in with --endpoint-url",
        )
    try:
        found = await account.number()
    except SilentError as error:
        raise BadInputError("the account does not say which one it is", str(error)) from error
    if found != consent.account:
        raise BadInputError(
            f"the credentials are of account {found}, not of {consent.account}",
            "nothing was created; name the right one",
        )
    return account


async def clean_up(account: AwsAccount, tell: Tell) -> Left:
    """Delete what earlier runs left, by name and tag."""
    return Left(await leftovers.clean(account, None, tell))


def _wall_clock() -> PlatformTime:
    return PlatformTime(lambda: datetime.now(UTC), anyio.sleep)
