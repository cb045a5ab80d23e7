"""Run all checks at once, each with a timeout."""

import subprocess
from collections.abc import Mapping
from types import MappingProxyType

import anyio
import anyio.to_thread

from slipway.doctor import containers, machine
from slipway.doctor.check import Check, DoctorOptions, SkippedError
from slipway.doctor.network import credentials, database, registry
from slipway.errors import SlipwayError
from slipway.records.checks import DoctorCheck, DoctorReport, DoctorResult

_SECONDS = 10.0

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "python": machine.python,
        "uv": machine.uv,
        "git": machine.git,
        "disk": machine.disk,
        "postgres": machine.postgres,
        "settings": machine.settings_file,
        "lock": machine.lock,
        "interpreter": machine.interpreter,
        "alembic": machine.alembic,
        "dagger": containers.dagger,
        "engine": containers.engine,
        "docker": containers.docker,
        "registry": registry,
        "credentials": credentials,
        "database": database,
    }
)

# The only use of the subject of a check that the gate does without.
_NEEDED_FOR = {
    **dict.fromkeys(("dagger", "engine", "docker", "registry"), "images"),
    "credentials": "releases on AWS",
}


async def check_up(
    options: DoctorOptions, checks: Mapping[str, Check] = CHECKS, seconds: float = _SECONDS
) -> DoctorReport:
    """Run every check; an error or a timeout of one is its result and does not delay the others."""
    done: dict[str, DoctorCheck] = {}

    async def run(subject: str, check: Check) -> None:
        result, found, remedy = await _answer(check, options, seconds)
        needed_for = _NEEDED_FOR.get(subject, "")
        done[subject] = DoctorCheck(subject=subject, result=result, found=found, remedy=remedy, needed_for=needed_for)

    async with anyio.create_task_group() as tasks:
        for subject, check in checks.items():
            tasks.start_soon(run, subject, check)
    return DoctorReport(tuple(done[subject] for subject in checks))


async def _answer(check: Check, options: DoctorOptions, seconds: float) -> tuple[DoctorResult, str, str]:
    try:
        with anyio.fail_after(seconds):
            return DoctorResult.OK, await anyio.to_thread.run_sync(check, options, abandon_on_cancel=True), ""
    except SkippedError as error:
        return DoctorResult.SKIP, error.what, error.next_step
    except SlipwayError as error:
        return DoctorResult.NG, error.what, error.next_step
    except (TimeoutError, subprocess.TimeoutExpired):
        return DoctorResult.NG, "no answer in time", "check whether it hangs, and run doctor again"
    except Exception as error:  # noqa: BLE001 -- an error in one check is its result
        return DoctorResult.NG, f"unexpected {type(error).__name__}", "this is a bug in slipway: report it"
