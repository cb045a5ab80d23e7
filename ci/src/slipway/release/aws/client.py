"""AWS calls through boto3 in worker threads, with errors of one sentence, and credentials that a caller passes as text.

Idempotent calls are retried when no answer arrives. Other calls raise LostAnswerError, because most changes have no
idempotency token. An overridden endpoint is an emulator, and receives made-up credentials only.
"""

import os
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from slipway.errors import BadInputError, SlipwayError, UnknownOutcomeError
from slipway.oci.patience import Patience
from slipway.release.errors import (
    EMULATOR,
    THROTTLED,
    AwsRefusedError,
    LostAnswerError,
    UnreachableError,
)
from slipway.structure import nearest
from slipway.untrusted import json_object, one_line

_LINE = re.compile(r"^(?:export )?(AWS_[A-Z_]+)=(['\"]?)(.*)\2$", re.MULTILINE)
# Names of environment variables, and the corresponding names in the JSON of credential_process.
_NAMES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
    "AWS_CREDENTIAL_EXPIRATION": "Expiration",
}
_SERVER_ERROR = 500
_ANSWER_SECONDS = 60.0  # AWS's time to answer
# for a caller who waits: AWS's time to answer, and the time after which a read is not tried again
_BRIEFLY = (10.0, 15.0)
# Calls with these prefixes are idempotent. So is every call to ECR, because a put contains the digest of its content.
_READS = ("describe_", "list_", "get_", "filter_", "batch_get_")
# For each field of a response that names the next page, the field of a request for that page.
_FOLLOWING = {"nextToken": "nextToken", "NextToken": "NextToken", "Marker": "Marker", "NextMarker": "Marker"}
_COMMAND = "give them as `aws configure export-credentials` prints them, when `aws sts get-caller-identity` answers"


@dataclass(frozen=True)
class Keys:
    """Credentials that the caller passed; boto3 did not find them itself. They are never shown."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def keys_from(text: str, now: datetime) -> Keys:
    """Read credentials that are valid at the time `now`. Raise BadInputError when the text has none."""
    values = _lines(text) or {name: value for name, value in json_object(text).items() if isinstance(value, str)}
    key, secret = values.get("AccessKeyId"), values.get("SecretAccessKey")
    if not key or not secret:
        raise BadInputError("the text holds no AWS credentials", _COMMAND)
    if (expiration := values.get("Expiration")) and _moment(expiration) <= now:
        raise BadInputError(f"the AWS credentials expired at {_moment(expiration):%H:%M:%S %Z}", "sign in again")
    return Keys(key, secret, values.get("SessionToken") or None)


def _lines(text: str) -> dict[str, str]:
    return {_NAMES[name]: value.strip() for name, _, value in _LINE.findall(text) if name in _NAMES}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError("the expiration of the AWS credentials is no time", _COMMAND) from None
    return moment if moment.tzinfo else moment.astimezone()


_TRUSTED = "SLIPWAY_TRUSTED_ENDPOINTS"
# The domains of AWS's partitions, and of their dual-stack endpoints (botocore's endpoints.json).
_OF_AWS = (
    *(".amazonaws.com", ".api.aws", ".amazonaws.com.cn", ".api.amazonwebservices.com.cn", ".amazonaws.eu"),
    *(".api.amazonwebservices.eu", ".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov"),
)
_STAND_IN = Keys("simulated", "simulated")


def keys_for(endpoint_url: str | None, keys: Keys | None = None) -> Keys:
    """Return the keys for AWS, by default those that boto3 finds. For an emulator, return stand-ins."""
    return _STAND_IN if endpoint_url else keys or Keys("", "")


class Aws:
    """One region of one account. `endpoint_url` names an emulator that replaces AWS; `sleep` uses the platform's clock."""

    def __init__(
        self,
        region: str,
        endpoint_url: str | None = None,
        keys: Keys | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self._keys = keys_for(endpoint_url, keys)
        self._answer_seconds = _ANSWER_SECONDS
        self._clients: dict[str, Any] = {}
        self._session: Any = None  # boto3's session
        self.patience = Patience(sleep=sleep, unreached=UnreachableError)
        self._making = threading.Lock()  # a boto3 session is not thread-safe

    def impatient(self) -> Self:
        """Return the same account for a caller who waits: AWS has ten seconds to answer, and a read ends after some twenty."""
        made = copy(self)
        made._clients, (made._answer_seconds, most) = {}, _BRIEFLY  # noqa: SLF001 -- our own
        made.patience = replace(self.patience, most=most)
        return made

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call `operation` (in boto3's spelling), with retries.

        Raise SlipwayError when it fails. Cancelling the wait does not undo the call.
        """
        idempotent = service == "ecr" or operation.startswith(_READS)
        return await self._retried(service, operation, parameters, idempotent=idempotent)

    async def call_idempotent(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call `operation` and retry it even after a lost answer, because with these parameters a repetition has no effect."""
        return await self._retried(service, operation, parameters, idempotent=True)

    async def _retried(
        self, service: str, operation: str, parameters: Mapping[str, Any], *, idempotent: bool
    ) -> dict[str, Any]:
        def is_temporary(error: SlipwayError) -> bool:
            # a throttled call was not executed
            is_throttled = isinstance(error, AwsRefusedError) and error.code in THROTTLED
            is_lost = isinstance(error, LostAnswerError) and idempotent
            return isinstance(error, UnreachableError) or is_throttled or is_lost

        return await self.patience.repeated(partial(self.once, service, operation, **parameters), is_temporary)

    async def pages(self, service: str, operation: str, /, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        while True:
            page = await self.call(service, operation, **parameters)
            yield page
            following = {asked: page[found] for found, asked in _FOLLOWING.items() if page.get(found)}
            if not following:
                return
            parameters |= following

    async def items(self, service: str, operation: str, member: str, /, **parameters: Any) -> AsyncIterator[Any]:
        """Yield the items of a list. Each page contains some of them in its field `member`."""
        async for page in self.pages(service, operation, **parameters):
            for item in page[member]:
                yield item

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call once, without retries."""
        from botocore import exceptions  # the import takes 0.2 s, which `--help` must avoid
        from botocore.parsers import ResponseParserError

        # A Dagger engine's tunnel to a port without a server accepts the connection and closes it.
        silent = bool(self.endpoint_url) and not self.patience.answered
        try:
            response = await self.send(service, operation, parameters)
        except exceptions.ClientError as error:
            refused = AwsRefusedError(service, operation, dict(error.response.get("Error", {})))
            is_fault = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _SERVER_ERROR
            # the code is an HTTP status; AWS's own errors have names
            if silent and not is_fault and refused.code.isdecimal():
                raise _no_aws(error.response) from error
            self.patience.answered = True
            if is_fault:
                raise LostAnswerError(refused.what, service) from error
            raise refused from error
        except (
            exceptions.EndpointConnectionError,
            exceptions.ConnectTimeoutError,
            exceptions.ProxyConnectionError,
        ) as error:
            raise UnreachableError(one_line(str(error)), emulator=silent) from error
        except (
            exceptions.HTTPClientError,
            exceptions.SSLError,
            ResponseParserError,
        ) as error:  # the answer ended too early, or timed out
            what = (
                f"{'the endpoint' if silent else 'AWS'} did not answer {service} {operation} ({one_line(str(error))})"
            )
            raise LostAnswerError(what, service, emulator=silent) from error
        except exceptions.BotoCoreError as error:
            raise _unusable(error, answered=self.patience.answered) from error
        self.patience.answered = True
        return response

    async def send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send one request with boto3; report when its answer is late. Raise boto3's errors."""
        with self.patience.reporting(f"AWS has not answered {service} {operation}", self._answer_seconds):
            return await anyio.to_thread.run_sync(self._send, service, operation, parameters)

    def _send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        client = self._client(service)
        response: dict[str, Any] = getattr(client, operation)(**parameters)
        if _is_cut_off(client, operation, response):
            if self.endpoint_url and not self.patience.answered and _is_foreign(response):
                raise _no_aws(response)
            raise LostAnswerError(f"AWS's answer to {service} {operation} was cut off", service)
        return response

    def _client(self, service: str) -> Any:
        with self._making:
            if service not in self._clients:
                from botocore.config import Config

                config = Config(
                    retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=self._answer_seconds
                )
                self._session = self._session or session_of(self._keys, self.region)
                client = self._session.client(service, endpoint_url=self.endpoint_url, config=config)
                if self.endpoint_url is None:
                    check_endpoint(client)
                self._clients[service] = client
            return self._clients[service]


def session_of(keys: Keys, region: str | None) -> Any:
    """Return a boto3 session.

    All sessions of a process share the service models. Raise BadInputError, for example for an unknown profile.
    """
    from botocore.exceptions import BotoCoreError

    try:
        return _session_of(keys, region)
    except BotoCoreError as error:
        raise _unusable(error, answered=False) from error


def _session_of(keys: Keys, region: str | None) -> Any:
    import boto3
    from botocore.session import Session

    core = Session()
    loader = _loader(core.get_config_variable("data_path"))
    core.register_component("data_loader", loader)
    if region:
        _check_known(region, loader.load_data("partitions"))
    if not keys.access_key_id:
        _check_lenders(core, region)
    credentials = (keys.access_key_id or None, keys.secret_access_key or None, keys.session_token)
    return boto3.session.Session(*credentials, region_name=region, botocore_session=core)


def _check_known(region: str, data: Mapping[str, Any]) -> None:
    """Raise BadInputError for a region that boto3's data lacks: boto3 would call a host that does not exist."""
    known = [name for partition in data["partitions"] for name in partition["regions"]]
    if region not in known:
        near = nearest(region, known)
        remedy = f"did you mean {near}?" if near else "correct region in the settings, or update boto3 if it is new"
        raise BadInputError(f"there is no region {one_line(region, 60)} in boto3's list of AWS's regions", remedy)


def _check_lenders(core: Any, region: str | None) -> None:
    """Check the endpoints to which boto3 sends a profile's keys or token to get credentials."""
    if not any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ) and "endpoint_url" not in str(
        core.full_config
    ):
        return
    for lender in ("sts", "sso", "sso-oidc"):
        keys = {"aws_access_key_id": "checked", "aws_secret_access_key": "checked"}
        check_endpoint(core.create_client(lender, region_name=region or "us-east-1", **keys))


def check_endpoint(client: Any) -> None:
    """Raise BadInputError when AWS_ENDPOINT_URL or a profile names a host that is neither AWS's own nor trusted by the caller."""
    url, service = urlsplit(client.meta.endpoint_url), client.meta.service_model.endpoint_prefix
    host = url.hostname or ""
    trusted = os.environ.get(_TRUSTED, "").replace(",", " ").split()
    if host not in trusted and not (url.scheme == "https" and _is_of_aws(host, service)):
        raise BadInputError(
            f"requests signed with your keys would go to {one_line(host)}, by AWS_ENDPOINT_URL or endpoint_url of the profile",
            f"unset it; or name an emulator with --endpoint-url, which gets no keys, or a host of your own in {_TRUSTED}",
        )


def check_region(service: str, region: str) -> None:
    """Raise BadInputError for a region in which, by boto3's data, AWS does not offer the service. Accept unknown regions."""
    session = session_of(Keys("", ""), None)

    def regions(name: str) -> set[str]:
        names = (session.get_available_regions(name, each) for each in session.get_available_partitions())
        return {region for found in names for region in found}

    if region in regions("sts") and region not in (has := regions(service)):
        raise BadInputError(f"AWS has no {service} in the region {region}", f"choose one of {', '.join(sorted(has))}")


def _is_of_aws(host: str, service: str) -> bool:
    """Return whether a host is AWS's own for a service.

    Hosts of other accounts, such as load balancers, are below amazonaws.com, too.
    """
    # ECR's host has no `api.` in some partitions
    names = "|".join(map(re.escape, {service, service.removeprefix("api.")}))
    own = rf"(vpce-[\w-]+\.)?({names})(-fips)?(\.[a-z]{{2}}(-[a-z]+)+(-\d)?)?(\.vpce)?"
    return any(re.fullmatch(own, host.removesuffix(domain)) for domain in _OF_AWS if host.endswith(domain))


@cache
def _loader(data_path: str | None) -> Any:
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _is_cut_off(client: Any, operation: str, response: dict[str, Any]) -> bool:
    """Return whether a response has none of its fields: botocore reads a cut-off response, which is no JSON, as an empty one."""
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    return bool(model.output_shape and model.output_shape.members) and not set(response) - {"ResponseMetadata"}


def _is_foreign(response: dict[str, Any]) -> bool:
    """Return whether another server sent a response that botocore reads as an empty one.

    AWS's own have a request id or a type.
    """
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    return "x-amzn-requestid" not in headers and not re.search("json|xml|cbor", headers.get("content-type", ""))


def _no_aws(response: dict[str, Any]) -> BadInputError:
    """Return the error for an endpoint that answers differently from AWS."""
    answer = response["ResponseMetadata"]
    kind = one_line(answer["HTTPHeaders"].get("content-type", "no content type"))
    return BadInputError(
        f"the endpoint answers with HTTP {answer['HTTPStatusCode']} and {kind}, which AWS does not", EMULATOR
    )


def _unusable(error: Exception, *, answered: bool) -> SlipwayError:
    """Return the error for a request that boto3 did not send.

    `answered`: an earlier request was sent and may have changed something.
    """
    kind = type(error).__name__
    if kind == "ParamValidationError":
        return BadInputError("boto3 does not send this request", one_line(str(error)))
    if answered:
        return UnknownOutcomeError(
            f"boto3 cannot make any further request ({kind}: {one_line(str(error))})",
            "sign in again and run the same command; it resumes this run",
        )
    if kind == "NoCredentialsError":
        return BadInputError(
            "there are no AWS credentials",
            "sign in (aws sso login), name a profile in AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return BadInputError(
        f"boto3 cannot make a request ({kind}: {one_line(str(error))})",
        "sign in (aws sso login), or correct the profile or the setting that it names",
    )
