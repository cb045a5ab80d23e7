"""Run all checks at once, each with a timeout."""

import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from types import MappingProxyType

import anyio

from slipway.doctor import containers, machine
from slipway.doctor.check import Check, DoctorOptions, SkippedError
from slipway.doctor.network import credentials, database, registry
from slipway.errors import SlipwayError
from slipway.records.checks import DoctorCheck, DoctorReport, DoctorResult
from slipway.workload.load import busy, longer

_SECONDS = 10.0  # limit on a free machine
_POLL_SECONDS = 0.02

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

# The only feature that needs a check's subject, for subjects that the gate does not need.
_NEEDED_FOR = {
    **dict.fromkeys(("dagger", "engine", "docker", "registry"), "images"),
    "credentials": "releases on AWS",
}


async def check_up(
    options: DoctorOptions, checks: Mapping[str, Check] = CHECKS, seconds: float = _SECONDS
) -> DoctorReport:
    """Run every check. An error or timeout of a check is its result, and does not delay the others."""
    done: dict[str, DoctorCheck] = {}

    async def run(subject: str, check: Check) -> None:
        needed_for = _NEEDED_FOR.get(subject, "")
        result, found, remedy = await _answer(check, options, seconds)
        done[subject] = DoctorCheck(subject=subject, result=result, found=found, remedy=remedy, needed_for=needed_for)

    async with anyio.create_task_group() as tasks:
        for subject, check in checks.items():
            tasks.start_soon(run, subject, check)
    return DoctorReport(tuple(done[subject] for subject in checks))


async def _answer(check: Check, options: DoctorOptions, seconds: float) -> tuple[DoctorResult, str, str]:
    limit = longer(seconds)
    try:
        with anyio.fail_after(limit):
            return DoctorResult.OK, await _found(check, options), ""
    except SkippedError as error:
        return DoctorResult.SKIP, error.what, error.next_step
    except SlipwayError as error:
        return DoctorResult.NG, error.what, error.next_step
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        waited = error.timeout if isinstance(error, subprocess.TimeoutExpired) else limit
        what = f"no answer within {waited:.1f} s{busy()}"
        return DoctorResult.NG, what, "check whether it hangs, and run doctor again"
    except Exception as error:  # noqa: BLE001 -- an error in one check is its result
        return DoctorResult.NG, f"unexpected {type(error).__name__}", "this is a bug in slipway: report it"


async def _found(check: Check, options: DoctorOptions) -> str:
    """Return the result of a check, which runs in a thread of its own.

    Unlike with anyio's threads, the process can end before the thread does.
    """
    done = Future[str]()

    def run() -> None:
        try:
            done.set_result(check(options))
        except Exception as error:  # noqa: BLE001 -- raised where it is awaited
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not done.done():  # noqa: ASYNC110 -- set in a thread that anyio does not know
        await anyio.sleep(_POLL_SECONDS)
    return done.result()
