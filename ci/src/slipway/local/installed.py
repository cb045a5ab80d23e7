"""The requirement with which another machine installs the slipway that runs here."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from slipway import __version__

_NAME: Final = "slipway-gate"  # all that the gate needs; slipway-cli comes with it, too


def requirement() -> tuple[str, bool]:
    """Return the requirement, and whether other machines can install it today; see `requirement_from`."""
    try:
        origin = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:  # a checkout
        origin = '{"url": "file:"}'
    return requirement_from(origin)


def requirement_from(origin: str | None) -> tuple[str, bool]:
    """Return the requirement by PEP 610's record of an installation, which an index leaves out.

    From a folder or a wheel on this machine it is this version, which must be published first.
    """
    record = json.loads(origin or "{}")
    url = urlsplit(record.get("url", ""))
    if url.scheme in {"", "file"}:
        return f"{_NAME}[local]=={__version__}", not url.scheme
    user, _, host = url.netloc.rpartition("@")
    name = f"{user.partition(':')[0]}@" if user and url.scheme == "ssh" else ""  # of HTTP it may be a token
    address = urlunsplit(url._replace(netloc=name + host))
    if commit := record.get("vcs_info", {}).get("commit_id"):
        address = f"{record['vcs_info']['vcs']}+{address}@{commit}"
    folder = f"#subdirectory={record['subdirectory']}" if "subdirectory" in record else ""
    return f"{_NAME}[local] @ {address}{folder}", True
