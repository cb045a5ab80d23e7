"""AWS by boto3, in worker threads; its errors in one sentence.

What may be asked again is asked again when no answer comes; what may not raises LostAnswerError, for App Runner has no idempotency tokens.
Nothing is sent to an endpoint override but stand-in credentials: an override is a simulator, and must never see real keys.
"""

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError
from slipway.release.aws.credentials import Keys
from slipway.release.errors import AwsRefusedError, LostAnswerError
from slipway.untrusted import one_line

_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException"}
)
# Seconds before each further attempt.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
_SERVER_ERROR = 500
# Asked twice, these come to the same. All that is asked of ECR does: a put names its content.
_READS = ("describe_", "list_", "get_", "filter_", "batch_get_")


class Aws:
    """One region of one account. `endpoint_url` replaces AWS by something that speaks like it; `sleep` is the platform's."""

    def __init__(
        self,
        region: str,
        endpoint_url: str | None = None,
        keys: Keys | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self._keys = _STAND_IN if endpoint_url else keys or Keys("", "")
        self._sleep = sleep
        self._clients: dict[str, Any] = {}
        self._session: Any = None  # of boto3; clients of one session share what takes long to read
        self._making = threading.Lock()  # boto3's sessions are made for one thread

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call `operation` (as boto3 spells it); raises SlipwayError. A cancelled wait does not take the call back."""
        repeatable = service == "ecr" or operation.startswith(_READS)
        for pause in _PAUSES:
            try:
                return await self.once(service, operation, **parameters)
            except LostAnswerError:
                if not repeatable:
                    raise
            except AwsRefusedError as error:
                if error.code not in _THROTTLED:  # a throttled call was not made
                    raise
            await self._sleep(pause)
        return await self.once(service, operation, **parameters)

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """One attempt."""
        return await anyio.to_thread.run_sync(partial(self._call, service, operation, parameters))

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import (  # takes 0.2 s to import, which `--help` need not wait for
            BotoCoreError,
            ClientError,
            HTTPClientError,
        )
        from botocore.parsers import ResponseParserError

        try:
            client = self._client(service)
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            refused = AwsRefusedError(service, operation, dict(error.response.get("Error", {})))
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _SERVER_ERROR:
                raise LostAnswerError(refused.what) from error
            raise refused from error
        except (
            HTTPClientError,
            ResponseParserError,
        ) as error:  # no connection, none in time, or one that ended too early
            raise LostAnswerError(f"AWS did not answer {service} {operation} ({one_line(str(error))})") from error
        except BotoCoreError as error:
            raise _unusable(error) from error
        if _is_cut_off(client, operation, answer):
            raise LostAnswerError(f"AWS's answer to {service} {operation} was cut off")
        return answer

    def _client(self, service: str) -> Any:
        with self._making:
            if service not in self._clients:
                from botocore.config import Config

                config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
                self._session = self._session or session_of(self._keys, self.region)
                self._clients[service] = self._session.client(service, endpoint_url=self.endpoint_url, config=config)
            return self._clients[service]


def session_of(keys: Keys, region: str) -> Any:
    """A session of boto3."""
    import boto3

    given = (keys.access_key_id or None, keys.secret_access_key or None, keys.session_token)
    return boto3.session.Session(*given, region_name=region)


_STAND_IN = Keys("simulated", "simulated")


def _is_cut_off(client: Any, operation: str, answer: dict[str, Any]) -> bool:
    """Whether nothing is in an answer that must hold something: botocore takes half an answer, which is no JSON, for an empty one."""
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    return bool(model.output_shape and model.output_shape.members) and not set(answer) - {"ResponseMetadata"}


def _unusable(error: Exception) -> SlipwayError:
    kind = type(error).__name__
    if "Credential" in kind:
        return BadInputError(
            "there are no AWS credentials",
            "sign in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if kind == "ParamValidationError":
        return BadInputError("boto3 does not send this request", one_line(str(error)))
    return RefusedError("AWS cannot be reached", one_line(str(error)))


T = TypeVar("T")


async def or_unknown(look: Awaitable[T]) -> T:
    """What a look has seen; raises UnknownOutcomeError when AWS refuses to show it."""
    try:
        return await look
    except AwsRefusedError as error:
        raise UnknownOutcomeError(f"what is live cannot be seen: {error.what}", error.next_step) from error
