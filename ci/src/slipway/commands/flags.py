"""Flags that several commands share."""

import argparse
from pathlib import Path

from slipway.commands.command import Flag

EXIT_CODES = "Exit codes: 0 yes, 1 failed or refused, 2 usage error (nothing changed), 3 outcome unknown: run it again."
_WORKSPACE = "Dagger passes the repository as the workspace"
_OBJECT = "an argument of the function environment"


def url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is http://… or https://…")
    return text


JSON = Flag(name="json", sentence="print the result as JSON, errors too")
QUIET = Flag(name="quiet", sentence="print only the result and errors, no progress")
DEBUG = Flag(name="debug", sentence="print the traceback of an error")
EVERYWHERE = (JSON, QUIET, DEBUG)

SOURCE = Flag(
    name="source",
    metavar="DIR",
    parse=Path,
    default=Path(),
    sentence="the service's folder, which holds its pyproject.toml (default: the current folder)",
    not_on_dagger=_WORKSPACE,
)
NAME = Flag(
    name="environment",
    metavar="NAME",
    required=True,
    sentence="an environment in [tool.slipway.environments]",
    not_on_dagger=_OBJECT,
)
ENDPOINT = Flag(
    name="endpoint-url",
    metavar="URL",
    parse=url,
    sentence="the URL of a stand-in for AWS, such as `slipway simulator`",
    not_on_dagger=_OBJECT,
)
ENVIRONMENT = (SOURCE, NAME, ENDPOINT)
IMAGE = Flag(
    name="image",
    metavar="REPOSITORY@DIGEST",
    required=True,
    sentence="the image, named by digest: repository@sha256:…",
)
CERTIFICATE = Flag(
    name="certificate",
    metavar="FILE",
    parse=Path,
    sentence="proof for this step of the schema, printed by `slipway certificate`; it is kept in the ledger",
)
WITHOUT_PROOF = Flag(
    name="without-proof",
    metavar="REASON",
    default="",
    sentence="skip the proof that release and schema are compatible; the reason is recorded",
)
WITHOUT_START = Flag(name="without-start", sentence="do not start the release on this machine during the preflight")
DRY_RUN = Flag(name="dry-run", sentence="show what would change, or why it would be refused; change nothing")
CONFIG = Flag(
    name="config",
    metavar="FILE",
    sentence="alembic's settings file (default: the one in [tool.slipway.migrations], or alembic.ini)",
    not_on_dagger="the settings name it",
)
PYTHON = Flag(
    name="python",
    metavar="DIR",
    parse=Path,
    sentence="the service's virtual environment (default: .venv, or one made from its lock)",
    not_on_dagger="the gate runs in the service's image",
)
REPORT = Flag(
    name="report",
    metavar="DIR",
    parse=Path,
    sentence="write the reports into this folder",
    not_on_dagger="the function returns the folder",
)
