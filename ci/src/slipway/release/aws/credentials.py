"""AWS credentials passed as one text, in any format of `aws configure export-credentials`.

That command supports every way to sign in: a profile, SSO, a role, the variables of a CI job's OIDC token. No error quotes the text, because it
may be a secret that was passed by mistake.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from slipway.errors import BadInputError

_LINE = re.compile(r"^(?:export )?(AWS_[A-Z_]+)=(['\"]?)(.*)\2$", re.MULTILINE)
# Names of environment variables, and the same in the JSON of credential_process.
_NAMES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
    "AWS_CREDENTIAL_EXPIRATION": "Expiration",
}
_COMMAND = "give them as `aws configure export-credentials` prints them, when `aws sts get-caller-identity` answers"


@dataclass(frozen=True)
class Keys:
    """Credentials that were passed instead of found by boto3; never shown."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def parse(text: str, now: datetime) -> Keys:
    """Read credentials that are valid `now`; raises BadInputError."""
    values = _lines(text) or _document(text)
    key, secret = values.get("AccessKeyId"), values.get("SecretAccessKey")
    if not key or not secret:
        raise BadInputError("the text holds no AWS credentials", _COMMAND)
    if (expiration := values.get("Expiration")) and _moment(expiration) <= now:
        raise BadInputError(f"the AWS credentials expired at {_moment(expiration):%H:%M:%S %Z}", "sign in again")
    return Keys(key, secret, values.get("SessionToken") or None)


def _lines(text: str) -> dict[str, str]:
    return {_NAMES[name]: value.strip() for name, _, value in _LINE.findall(text) if name in _NAMES}


def _document(text: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(document, Mapping):
        return {}
    return {name: value for name in _NAMES.values() if isinstance(value := document.get(name), str)}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError("the expiration of the AWS credentials is no time", _COMMAND) from None
    return moment if moment.tzinfo else moment.astimezone()
