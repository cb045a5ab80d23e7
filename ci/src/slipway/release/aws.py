"""AWS by boto3, in worker threads; its errors in one sentence.

Nothing is sent to an endpoint override but stand-in credentials: an override is a simulator, and must never see real keys.
"""

from functools import partial
from typing import Any

import anyio.to_thread

from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.release.credentials import Keys
from slipway.untrusted import one_line

_REMEDIES = {
    "AccessDeniedException": "give the deploy role this action",
    "ExpiredTokenException": "sign in again and run the same command; it goes on where this one stopped",
    "ExpiredToken": "sign in again and run the same command; it goes on where this one stopped",
    "UnrecognizedClientException": "check the credentials",
    "RepositoryNotFoundException": "create the repository, or correct name in [tool.slipway]",
    "ImageNotFoundException": "push the image first",
    "ServiceQuotaExceededException": "ask AWS for a higher quota, or delete a service",
}


class Aws:
    """One region of one account. `endpoint_url` replaces AWS by something that speaks like it."""

    def __init__(self, region: str, endpoint_url: str | None = None, keys: Keys | None = None) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self._keys = _STAND_IN if endpoint_url else keys or Keys("", "")
        self._clients: dict[str, Any] = {}

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call `operation` (as boto3 spells it); raises SlipwayError. A cancelled wait does not take the call back."""
        return await anyio.to_thread.run_sync(partial(self._call, service, operation, parameters))

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import (  # takes 0.2 s to import, which `--help` need not wait for
            BotoCoreError,
            ClientError,
        )

        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except ClientError as error:
            raise AwsRefusedError(service, operation, dict(error.response.get("Error", {}))) from error
        except BotoCoreError as error:
            raise _unusable(error) from error
        return answer

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            import boto3
            from botocore.config import Config

            # Retries are ours to decide: App Runner has no idempotency tokens, a lost answer must be looked into.
            config = Config(
                retries={"total_max_attempts": 1 if service == "apprunner" else 3, "mode": "standard"},
                connect_timeout=10,
                read_timeout=60,
            )
            given = (self._keys.access_key_id or None, self._keys.secret_access_key or None, self._keys.session_token)
            session: Any = boto3.session.Session(*given, region_name=self.region)
            self._clients[service] = session.client(service, endpoint_url=self.endpoint_url, config=config)
        return self._clients[service]


_STAND_IN = Keys("simulated", "simulated")


class AwsRefusedError(RefusedError):
    """AWS answered with an error; `code` is its name."""

    def __init__(self, service: str, operation: str, error: dict[str, Any]) -> None:
        self.code = str(error.get("Code", "Unknown"))
        said = one_line(str(error.get("Message", "")))
        super().__init__(
            f"AWS refused {service} {operation} with {self.code}: {said}".rstrip(": "),
            _REMEDIES.get(self.code, "see the message"),
        )


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
