"""AWS credentials that are handed over in one text, as `aws configure export-credentials` writes them in any of its formats.

That command knows every way to sign in: a profile, sso, a role, the variables that a CI job got for its OIDC token. Nothing of the text is
ever repeated, for it may be a secret that stands in the wrong place.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from slipway.errors import BadInputError

_LINE = re.compile(r"^(?:export )?(AWS_[A-Z_]+)=(['\"]?)(.*)\2$", re.MULTILINE)
# The names in JSON, that of credential_process, by those in lines, an environment's.
_NAMES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
    "AWS_CREDENTIAL_EXPIRATION": "Expiration",
}
_COMMAND = "give them as `aws configure export-credentials` prints them, when `aws sts get-caller-identity` answers"


@dataclass(frozen=True)
class Keys:
    """Credentials that were handed over instead of found by boto3; they are never shown."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def parse(text: str, now: datetime) -> Keys:
    """Read credentials that are good `now`; raises BadInputError."""
    found = _lines(text) or _document(text)
    key, secret = found.get("AccessKeyId"), found.get("SecretAccessKey")
    if not key or not secret:
        raise BadInputError("what was given as AWS credentials holds none", _COMMAND)
    if (expiration := found.get("Expiration")) and _moment(expiration) <= now:
        raise BadInputError(f"the AWS credentials expired at {_moment(expiration):%H:%M:%S %Z}", "sign in again")
    return Keys(key, secret, found.get("SessionToken") or None)


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
