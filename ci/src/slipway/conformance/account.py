"""An account and a region, asked through AWS's public API; whether it is a real one it says itself.

Every call is made once: what is asked twice would be told of another state. Only what was refused for being too often is asked again.
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
_THROTTLED = {"ThrottlingException", "TooManyRequestsException", "Throttling", "RequestLimitExceeded"}
# What says something about whoever asks, or about the day, and nothing about the platform's table.
_SILENT = _THROTTLED | {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalFailure",
    "InternalServiceErrorException",
    "InvalidClientTokenId",
    "LimitExceededException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "ServerException",
    "ServiceQuotaExceededException",
    "SubscriptionRequiredException",
    "UnknownOperationException",
    "UnrecognizedClientException",
}
_TIMES, _PAUSE = 6, 5.0
_ARN, _ACCOUNT = re.compile(r"arn:aws[\w-]*:[\w:/.*-]*[\w/*]"), re.compile(r"(?<!\d)\d{12}(?!\d)")
_ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)


# What reading an answer of another shape than AWS's model has ends in.
MISSHAPEN = (LookupError, TypeError, ValueError)


class SilentError(Exception):
    """The account did not answer the question: no permission, no quota, no connection."""


@dataclass(frozen=True)
class Time:
    """The platform's time. `held` is around each call: where time is virtual it stands still meanwhile."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    held: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Answer:
    """What came of a call: an answer, or an error's code and message (untrusted text)."""

    given: Mapping[str, Any]
    code: str = ""
    message: str = ""

    @property
    def error(self) -> str:
        return f"{self.code}: {self.message}" if self.code else ""

    def __getitem__(self, key: str) -> Any:
        """A member of the answer; raises SilentError when there is none."""
        if self.code or key not in self.given:
            raise SilentError(masked(self.error or f"the answer has no {key}"))
        return self.given[key]


class Account:
    """`region` is where; without `endpoint_url` the endpoint is the one that boto3 finds."""

    def __init__(
        self, session: boto3.session.Session, region: str, time: Time, endpoint_url: str | None = None
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
    def astray(self) -> list[str]:
        """The hosts that would be asked and are not AWS's."""
        clients = [self._client(service) for service in ("sts", "apprunner", "ecr", "logs")]
        hosts = [urlsplit(str(client.meta.endpoint_url)).hostname or "" for client in clients]
        return [host for host in hosts if not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))]

    async def ask(self, service: str, operation: str, **parameters: Any) -> Answer:
        """Call an operation by its name in the API. Raises SilentError."""
        for _ in range(_TIMES):
            answer = await self._asked(service, operation, parameters)
            if answer.code not in _THROTTLED:
                break
            await self.time.sleep(_PAUSE)
        if answer.code in _SILENT:
            raise SilentError(masked(f"{operation}: {answer.error}"))
        return answer

    async def pages(self, service: str, operation: str, member: str, **parameters: Any) -> AsyncIterator[Any]:
        """The items of a list, over all its pages. Raises SilentError."""
        token = "nextToken" if service in {"ecr", "logs"} else "NextToken"
        more: dict[str, Any] = {}
        while True:
            answer = await self.ask(service, operation, **parameters, **more)
            for item in answer[member]:
                yield item
            if not answer.given.get(token):
                return
            more = {token: answer[token]}

    async def number(self) -> str:
        """The account's number, as it says itself. Raises SilentError."""
        return str((await self.ask("sts", "GetCallerIdentity"))["Account"])

    async def _asked(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Answer:
        call = getattr(self._client(service), xform_name(operation))
        try:
            with self.time.held():
                return Answer(await anyio.to_thread.run_sync(partial(call, **parameters)))
        except ClientError as error:
            said = error.response["Error"]
            return Answer({}, said.get("Code", "no code"), said.get("Message", ""))
        except BotoCoreError as error:
            raise SilentError(masked(f"{operation}: {error}")) from error

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service, region_name=self.region, endpoint_url=self._endpoint_url, config=_ONCE
            )
        return self._clients[service]


def masked(text: str, names: Mapping[str, str] | None = None) -> str:
    """One line without accounts and ARNs; `names` are those that are known, with what stands for them."""
    for name, shown in sorted((names or {}).items(), key=lambda pair: -len(pair[0])):
        text = text.replace(name, shown)
    return one_line(_ACCOUNT.sub("ACCOUNT", _ARN.sub("ARN", text)))
