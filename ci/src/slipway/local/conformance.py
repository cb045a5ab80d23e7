"""Compare the simulator's documented behaviour with an account: a simulated account or a real one."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

import anyio
from botocore.exceptions import BotoCoreError

from slipway.conformance import express, leftovers, suite, walks
from slipway.conformance.account import AwsAccount, PlatformTime, SilentError
from slipway.conformance.service import ProbeImage
from slipway.errors import BadInputError
from slipway.postgres.datadir import cache
from slipway.records.conformance import Conformance, Estimate
from slipway.release.aws.client import keys_for, session_of
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.clock import VirtualClock
from slipway.simulator.cloud import LOGIN, Cloud, simulated
from slipway.simulator.contract import ACCOUNT
from slipway.workload.process import HostBackend

_NUMBER = re.compile(r"[0-9]{12}")
_REGION = "eu-west-1"
SIMULATED_ROLES = tuple(f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("execution", "infrastructure"))


@dataclass(frozen=True)
class Suite:
    """The conformance suite of one target."""

    estimate: Callable[[], Estimate]
    conform: Callable[[AwsAccount, leftovers.TellLine], Awaitable[Conformance]]
    clean: Callable[[AwsAccount, str | None, leftovers.TellLine], Awaitable[tuple[str, ...]]]


def suite_of(target: str, image: ProbeImage, execution_role: str, infrastructure_role: str) -> Suite:
    """Return the suite of a target. Raise BadInputError when Express Mode's roles are missing."""
    if target == "app-runner":
        return Suite(walks.estimate, lambda account, tell: suite.conform(account, image, tell), leftovers.clean)
    roles = express.Roles(execution_role, infrastructure_role)
    return Suite(express.estimate, lambda account, tell: express.conform(account, image, roles, tell), express.clean)


@dataclass(frozen=True)
class Consent:
    """The account that a person allowed the suite to use: its number and region, and the URL of an emulator, if one is used."""

    account: str
    region: str | None = None
    endpoint_url: str | None = None


@asynccontextmanager
async def in_no_time(pace: Pace | None = None) -> AsyncIterator[tuple[AwsAccount, Cloud]]:
    """Open a simulated account on a virtual clock, which jumps ahead whenever all tasks wait."""
    clock = VirtualClock()
    async with simulated(lambda url: HostBackend(url=url, login=LOGIN, cache=cache()), pace=pace, clock=clock) as cloud:
        cloud.iam.strict = False  # the suites create no roles
        session = session_of(keys_for(cloud.url), _REGION)
        yield AwsAccount(session, _REGION, PlatformTime(clock.now, clock.sleep, clock.held), cloud.url), cloud


async def permitted(consent: Consent) -> AwsAccount:
    """Return the account after checking that the credentials belong to it. Raise BadInputError when they do not."""
    if not _NUMBER.fullmatch(consent.account):
        raise BadInputError(f"{consent.account!r} is no account", "pass its twelve digits")
    try:
        session = session_of(keys_for(consent.endpoint_url), consent.region)
        region = session.region_name
        if region is None:
            raise BadInputError("no region is configured", "pass one with --region")
        account = AwsAccount(
            session, region, PlatformTime(lambda: datetime.now(timezone.utc), anyio.sleep), consent.endpoint_url
        )
        astray = [] if consent.endpoint_url else account.foreign_hosts
    except (BotoCoreError, ValueError) as error:
        raise BadInputError(f"no AWS session can be made ({error})", "check profile, credentials and region") from error
    if astray:
        raise BadInputError(
            f"account {consent.account} was named, but an endpoint override leads to {astray[0]}",
            "unset AWS_ENDPOINT_URL and endpoint_url of the profile, or name the emulator with --endpoint-url",
        )
    try:
        number = await account.number()
    except SilentError as error:
        raise BadInputError(
            "the account does not return its number",
            f"{error}; sign in to AWS again, as in docs/how-to/aws-credentials.md",
        ) from error
    if number != consent.account:
        raise BadInputError(
            f"the credentials belong to account {number}, not to {consent.account}",
            "nothing was created; pass the right account",
        )
    return account
