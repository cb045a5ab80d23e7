"""Flags that several commands share."""

import argparse
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path

from slipway import errors
from slipway.commands.command import file, option, switch

EXIT_CODES = f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in errors.EXIT_CODES.items())}."
_WORKSPACE = "Dagger passes the repository as the workspace"
_OBJECT = "an argument of the function environment"


def url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is http://… or https://…")
    return text


def day(text: str) -> date:
    """Read a date. Raise ArgumentTypeError for another text."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc).date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is a date such as 2027-03-01") from None


JSON = switch("json", "print the result or the error as JSON")
QUIET = switch("quiet", "print only the result and errors, no progress")
DEBUG = switch("debug", "print the traceback of an error")
EVERYWHERE = (JSON, QUIET, DEBUG)

SOURCE = option(
    "source",
    "DIR",
    "the service's folder (default: the current folder)",
    parse=Path,
    default=Path(),
    not_on_dagger=_WORKSPACE,
)
NAME = option(
    "environment", "ENVIRONMENT", "an environment in [tool.slipway.environments]", required=True, not_on_dagger=_OBJECT
)
ENDPOINT = option(
    "endpoint-url",
    "URL",
    "the URL of an AWS emulator, such as `slipway simulator`",
    parse=url,
    not_on_dagger=_OBJECT,
)
ENVIRONMENT = (SOURCE, NAME, ENDPOINT)
SERVICE = option(
    "service",
    "NAME",
    "from any folder: the service's name; everything else is read from the ledger in --region, not from settings",
    not_on_dagger=_WORKSPACE,
)
REGION = option("region", "REGION", "with --service: the region where the environment is", not_on_dagger=_WORKSPACE)
ANYWHERE = (*ENVIRONMENT, SERVICE, REGION)
IMAGE = option("image", "REPOSITORY@DIGEST", "the image, named by digest: repository@sha256:…", required=True)
IMAGES = replace(IMAGE, repeated=True)
ALL = switch(
    "all",
    "deploy several services together: pass an --image for each; the services that others call come first; if one fails, those already deployed are rolled back",
)
CERTIFICATE = file(
    "certificate",
    "a file that shows that the previous release works on the migrated schema: proof.json of `slipway gate --report`, or the output of `slipway certificate`; slipway stores it in the ledger",
)
PROVEN = file(
    "certificate",
    "proof.json of `slipway gate --report`, or the output of `slipway certificate`: refuse to migrate if env.py would run the revisions in other transactions than when the gate tested them",
)
WITHOUT_CERTIFICATE = option(
    "without-certificate",
    "REASON",
    "continue without a certificate that release and schema are compatible; the reason is recorded",
    default="",
)
WITHOUT_LEDGER = option(
    "without-ledger",
    "REASON",
    "continue although the ledger, the record of deployments in ECR, cannot be used. slipway then does not keep two runs from changing the service at the same time: App Runner refuses the change of the second, ECS stops that of the first",
    default="",
    not_on_dagger="it may have to leave a file",
)
WITHOUT_START = switch(
    "without-start",
    "skip the preflight's start of the release on this machine; only for releases of a source tree, on the simulator",
)
DRY_RUN = switch("dry-run", "show what would change, or why it would be refused; change nothing")
CONFIG = option(
    "config",
    "FILE",
    "alembic's settings file (default: the one in [tool.slipway.migrations], or alembic.ini)",
    not_on_dagger="the settings name it",
)
SECTION = option(
    "section",
    "NAME",
    "the section of alembic's settings file, as `alembic --name` takes it (default: `section` in the settings, otherwise alembic)",
    not_on_dagger="the settings name it",
)
X_ARGUMENT = option(
    "x-argument",
    "KEY=VALUE",
    "an argument for env.py and revisions, as `alembic -x` takes it; repeat it for more (default: x-arguments in the settings)",
    repeated=True,
    not_on_dagger="the settings name them",
)
ALEMBIC = (CONFIG, SECTION, X_ARGUMENT)
PYTHON = option(
    "python",
    "DIR",
    "the service's virtual environment (default: .venv, or one made from the service's lock file)",
    parse=Path,
    not_on_dagger="the gate runs in the service's image",
)
CHANGED = option(
    "changed",
    "REF",
    "only services with changes since this git ref (without a value: where HEAD left the default branch); a change outside of all services counts for every service",
    bare="merge-base",
    not_on_dagger="the workspace has no git history",
)
REPORT = option(
    "report", "DIR", "write the reports into this folder", parse=Path, not_on_dagger="the function returns the reports"
)
TARGETS = ("ecs-express", "app-runner")
