"""The programs that build images: the Dagger CLI, an engine that it can reach, and Docker, which runs an engine.

All are optional.
"""

import json
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from slipway.doctor.check import DoctorOptions, SkippedError, output_of
from slipway.errors import BadInputError, RefusedError, SlipwayError

_RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"  # docs.dagger.io/configuration/custom-runner
# from engine/client/drivers/container.go of v0.21.8, without Apple's
_RUNTIMES = ("docker", "podman", "nerdctl", "finch")
_CONNECT_SECONDS = 3
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_WITHOUT = "`slipway gate` and `slipway rehearse` work without"


def dagger(options: DoctorOptions) -> str:
    """Check that the CLI has the version that dagger.json requires. Raise BadInputError when it does not."""
    wanted = _wanted(options.folder)
    if shutil.which("dagger") is None:
        raise SkippedError(
            "dagger is not on PATH",
            f"install {wanted or 'it'} (docs.dagger.io/getting-started/installation) to build images; {_WITHOUT}",
        )
    output = output_of(["dagger", "version"], remedy="install dagger again")
    return _new_enough(output.removeprefix("dagger ").partition(" ")[0], wanted, "install that version of the CLI")


def docker(options: DoctorOptions) -> str:  # noqa: ARG001 -- one for all services
    """Check Docker's daemon. Raise RefusedError when only the command is installed."""
    if shutil.which("docker") is None:
        raise SkippedError("docker is not on PATH", f"an engine runs in it; {_WITHOUT}")
    try:
        return output_of(["docker", "info", "--format", "{{.ServerVersion}}"], remedy="start Docker")
    except RefusedError as error:
        if os.environ.get(_RUNNER_HOST):
            raise SkippedError(error.what, f"{_RUNNER_HOST} names an engine elsewhere") from error
        raise


def engine(options: DoctorOptions) -> str:
    """Check the engine that a call would use, without starting it."""
    host = os.environ.get(_RUNNER_HOST)
    return _at(host, options.folder) if host else _in_a_runtime()


def _at(host: str, folder: Path) -> str:
    scheme = urlsplit(host).scheme
    if scheme not in {"unix", "tcp"}:
        raise SkippedError(f"{host} cannot be reached without Dagger", "try `dagger core version`, which may start it")
    try:
        _connect(host)
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"{host} does not answer ({error})", f"start that engine, or correct {_RUNNER_HOST}"
        ) from error
    if shutil.which("dagger") is None:
        return f"something listens at {host}"
    return f"{_new_enough(_version(), _wanted(folder), 'start an engine of that version')} at {host}"


def _version() -> str:
    """Return the engine's version. A temporary state folder discards the machine id that the CLI creates."""
    with tempfile.TemporaryDirectory(prefix="slipway-doctor-") as state:
        variables = os.environ | {"XDG_STATE_HOME": state}
        return output_of(
            ["dagger", "--silent", "core", "version"],
            remedy="use an engine of the CLI's version",
            variables=variables,
        )


def _connect(host: str) -> None:
    parts = urlsplit(host)
    if parts.scheme == "tcp":
        socket.create_connection((parts.hostname or "", parts.port or 0), _CONNECT_SECONDS).close()
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        probe.connect(parts.path)


def _in_a_runtime() -> str:
    for name in _RUNTIMES:
        if shutil.which(name) is not None and _answers(name):
            return f"{name} is installed: dagger starts an engine in it at the first call"
    remedy = f"start Docker, or name an engine in {_RUNNER_HOST}; {_WITHOUT}"
    if shutil.which("dagger") is None:
        raise SkippedError("there is no engine, and no Docker to run one", remedy)
    raise RefusedError("there is no engine, and no Docker to run one", remedy)


def _answers(runtime: str) -> bool:
    try:
        output_of([runtime, "version"], remedy="")
    except SlipwayError:
        return False
    return True


def _wanted(folder: Path) -> str | None:
    """Return the version that the nearest dagger.json requires."""
    file = next(
        (above / "dagger.json" for above in (folder, *folder.parents) if (above / "dagger.json").is_file()), None
    )
    if file is None:
        return None
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInputError(f"{file.name} is not JSON", f"{error}; correct it") from error
    wanted = document.get("engineVersion") if isinstance(document, dict) else None
    return wanted if isinstance(wanted, str) else None


def _new_enough(found: str, wanted: str | None, remedy: str) -> str:
    """Compare versions. An engine refuses modules that require a newer one (core/modules/config.go of v0.21.8)."""
    if not _number(found):
        raise RefusedError(f"its version is {found or 'nothing'}", remedy)
    if wanted is None or _number(found) == _number(wanted):
        return found
    if _number(found) < _number(wanted):
        raise BadInputError(f"{found} is older than the {wanted} of dagger.json", remedy)
    return f"{found}, newer than the {wanted} of dagger.json"


def _number(version: str) -> tuple[int, ...]:
    match = _VERSION.match(version)
    return tuple(map(int, match.groups())) if match else ()
