"""The requirement by which another machine can install the running version of slipway."""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit
from urllib.request import url2pathname

import slipway
from slipway.errors import BadInputError
from slipway.source.git import git

_NAME: Final = "slipway-gate"  # the distribution with everything that the gate needs, installed with slipway-cli, too


def requirement() -> tuple[str, str]:
    """Return the requirement, and what must happen before other machines can install it; see `requirement_from`."""
    try:
        origin = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        checkout = Path(slipway.__file__).resolve().parents[3] / "distributions/gate"
        origin = json.dumps({"url": checkout.as_uri(), "dir_info": {}})
    return requirement_from(origin)


def requirement_from(origin: str | None) -> tuple[str, str]:
    """Return the requirement by PEP 610's record of an installation, which an index leaves out.

    From a folder on this machine it is the commit at the remote that the folder was cloned from; without a remote, or from a wheel, it is
    this version. Either must be published first.
    """
    record = json.loads(origin or "{}")
    url = urlsplit(record.get("url", ""))
    if url.scheme in {"", "file"}:
        if url.scheme and (remote := _at_the_remote(record, Path(url2pathname(url.path)))):
            return remote, "that commit must be at this remote"
        step = "that version must be published, or replace it by a git address of slipway" if url.scheme else ""
        return f"{_NAME}[local]=={slipway.__version__}", step
    return _direct(url, record, record.get("subdirectory", "")), ""


def _at_the_remote(record: Mapping[str, Any], folder: Path) -> str:
    """Return the requirement for the remote of the repository around a folder; empty without one that other machines reach."""
    try:
        remote, commit, inside = (
            git(folder, arguments).decode().strip()
            for arguments in (["remote", "get-url", "origin"], ["rev-parse", "HEAD"], ["rev-parse", "--show-prefix"])
        )
    except BadInputError:
        return ""
    if (colon := remote.partition(":")[0]) and "@" in colon and "/" not in colon:  # scp's form
        remote = f"ssh://{remote.replace(':', '/', 1)}"
    url = urlsplit(remote)
    installed = {"vcs": "git", "commit_id": record.get("vcs_info", {}).get("commit_id", commit)}
    where = record.get("subdirectory") or inside.strip("/")
    return _direct(url, {"vcs_info": installed}, where) if url.scheme in {"https", "http", "ssh", "git"} else ""


def _direct(url: SplitResult, record: Mapping[str, Any], folder: str) -> str:
    """Return the requirement for an address, without a token that may be in it."""
    user, _, host = url.netloc.rpartition("@")
    name = f"{user.partition(':')[0]}@" if user and url.scheme == "ssh" else ""  # a user in an HTTP URL may be a token
    address = urlunsplit(url._replace(netloc=name + host))
    if commit := record.get("vcs_info", {}).get("commit_id"):
        address = f"{record['vcs_info']['vcs']}+{address}@{commit}"
    return f"{_NAME}[local] @ {address}{f'#subdirectory={folder}' if folder else ''}"
