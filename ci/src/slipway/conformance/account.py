"""An account and a region, called through AWS's public API.

Every call is made once, because a repeated one would find another state. Only throttled calls are repeated.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import boto3
import botocore
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from slipway.untrusted import one_line

PREFIX = "slipway-conformance-"
TAG = "slipway:conformance"
# Codes without "Exception", which only some protocols append.
_THROTTLED = {"Throttling", "TooManyRequests", "RequestLimitExceeded"}
# Errors that depend on the caller or the moment, and show nothing about the platform's behaviour.
_INCONCLUSIVE = _THROTTLED | {
    "AccessDenied",
    "ExpiredToken",
    "InternalFailure",
    "InternalServiceError",
    "InvalidClientTokenId",
    "LimitExceeded",
    "MissingAuthenticationToken",
    "OptInRequired",
    "Server",
    "ServiceQuotaExceeded",
    "SubscriptionRequired",
    "UnknownOperation",
    "UnrecognizedClient",
}
_TIMES, _PAUSE = 6, 5.0
_ARN, _ACCOUNT = re.compile(r"arn:aws[\w-]*:[\w:/.*-]*[\w/*]"), re.compile(r"(?<!\d)\d{12}(?!\d)")
_ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
# Errors when an answer does not have the form in AWS's API model.
MISSHAPEN = (LookupError, TypeError, ValueError)


class SilentError(Exception):
    """An answer that proves nothing: no permission, no quota, no connection."""


@dataclass(frozen=True)
class PlatformTime:
    """The platform's time."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    held: Callable[[], AbstractContextManager[None]] = nullcontext  # stops virtual time during a call


@dataclass(frozen=True)
class Reply:
    """The result of a call: an answer, or an error's code and message (untrusted text)."""

    answer: Mapping[str, Any]
    code: str = ""
    message: str = ""

    @property
    def error(self) -> str:
        return f"{self.code}: {self.message}" if self.code else ""

    def __getitem__(self, key: str) -> Any:
        """Return a field of the answer. Raise SilentError when it is missing."""
        if self.code or key not in self.answer:
            raise SilentError(masked(self.error or f"the answer has no {key}"))
        return self.answer[key]


class AwsAccount:
    """An account in a region, at AWS's own endpoints or at `endpoint_url`."""

    def __init__(
        self, session: boto3.session.Session, region: str, time: PlatformTime, endpoint_url: str | None = None
    ) -> None:
        self.region = region
        self.time = time
        self._session = session
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}

    @property
    def botocore(self) -> str:
        return str(botocore.__version__)

    @property
    def foreign_hosts(self) -> list[str]:
        """The hosts of the used endpoints that are not AWS's."""
        clients = [
            self._client(service) for service in ("sts", "apprunner", "ecr", "ecs", "elbv2", "cloudwatch", "logs")
        ]
        hosts = [urlsplit(str(client.meta.endpoint_url)).hostname or "" for client in clients]
        return [host for host in hosts if not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))]

    async def ask(self, service: str, operation: str, /, **parameters: Any) -> Reply:
        """Call an operation by its name in the API. Raise SilentError when the answer proves nothing."""
        for _ in range(_TIMES):
            reply = await self._call(service, operation, parameters)
            if reply.code.removesuffix("Exception") not in _THROTTLED:
                break
            await self.time.sleep(_PAUSE)
        if reply.code.removesuffix("Exception") in _INCONCLUSIVE:
            raise SilentError(masked(f"{operation}: {reply.error}"))
        return reply

    async def pages(self, service: str, operation: str, member: str, /, **parameters: Any) -> AsyncIterator[Any]:
        """Yield the items of all pages of a list. Raise SilentError when the answer proves nothing."""
        token = "NextToken" if member[0].isupper() else "nextToken"
        more: dict[str, Any] = {}
        while True:
            reply = await self.ask(service, operation, **parameters, **more)
            for item in reply[member]:
                yield item
            if not reply.answer.get(token):
                return
            more = {token: reply[token]}

    async def number(self) -> str:
        """Return the account's number from STS. Raise SilentError when the answer proves nothing."""
        return str((await self.ask("sts", "GetCallerIdentity"))["Account"])

    async def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Reply:
        call = getattr(self._client(service), xform_name(operation))
        try:
            with self.time.held():
                return Reply(await anyio.to_thread.run_sync(partial(call, **parameters)))
        except ClientError as error:
            details = error.response["Error"]
            return Reply({}, details.get("Code", "no code"), details.get("Message", ""))
        except BotoCoreError as error:
            raise SilentError(masked(f"{operation}: {error}")) from error

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service, region_name=self.region, endpoint_url=self._endpoint_url, config=_ONCE
            )
        return self._clients[service]


def masked(text: str, names: Mapping[str, str] | None = None) -> str:
    """Return the text in one line, without account numbers and ARNs. `names` maps known names to placeholders."""
    for name, shown in sorted((names or {}).items(), key=lambda pair: -len(pair[0])):
        text = text.replace(name, shown)
    return one_line(_ACCOUNT.sub("ACCOUNT", _ARN.sub("ARN", text)))
