"""The service's tests in Dagger's trace, from the report that pytest writes.

A pytest plugin would add OpenTelemetry, protobuf and requests to the service's libraries, and would record nothing when
the engine takes the result from its cache.
"""

import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagger
from dagger.telemetry import get_tracer

from slipway.untrusted import one_line

_REPORT: Final = "/tmp/slipway-tests.xml"  # noqa: S108 -- inside a container
VARIABLES: Final = {"PYTEST_ADDOPTS": f"--junitxml={_REPORT}"}  # other tools ignore this variable
_RESULTS: Final = {"failure": "fail", "error": "fail", "skipped": "skipped"}
_MOST: Final = 1000  # spans; the SDK's queue has 2048 places, and each span needs two


@dataclass(frozen=True)
class Case:
    """One test. `result` is a word of OpenTelemetry's test.case.result.status, or "skipped"."""

    suite: str
    name: str
    result: str
    seconds: float


async def trace(done: dagger.Container) -> None:
    """Add the tests that ran in a container to the trace. Without pytest there is no report, and nothing is added."""
    if await done.exists(_REPORT):
        add(parse(await done.file(_REPORT).contents()))


def parse(report: str) -> list[Case]:
    """Return the tests in a JUnit report; when there are too many for a trace, only those that failed.

    Return none for a text that is no JUnit XML: the tests' exit code decides about success, whatever the trace shows.
    """
    try:
        elements = ET.fromstring(report).iter("testcase")  # noqa: S314 -- expat 2.4 and later limits what entities expand to
        cases = [
            Case(
                suite=one_line(element.get("classname", "")),
                name=one_line(element.get("name", "")),
                result=next((_RESULTS[child.tag] for child in element if child.tag in _RESULTS), "pass"),
                seconds=float(element.get("time", "0")),
            )
            for element in elements
        ]
    except (ET.ParseError, ValueError):
        return []
    return cases if len(cases) <= _MOST else [case for case in cases if case.result == "fail"][:_MOST]


def add(cases: Sequence[Case]) -> None:
    """Add a span for each test, one after the other up to now. A result from the cache is older."""
    tracer = get_tracer()
    begin = time.time_ns() - sum(_nanoseconds(case) for case in cases)
    for case in cases:
        about = {
            "test.case.name": f"{case.suite}::{case.name}",
            "test.case.result.status": case.result,
            "test.suite.name": case.suite,
        }
        span = tracer.start_span(case.name, attributes=about, start_time=begin)
        begin += _nanoseconds(case)
        span.end(begin)


def _nanoseconds(case: Case) -> int:
    return round(case.seconds * 1e9)
