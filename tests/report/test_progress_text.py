import threading

import pytest

from slipway.records.progress import Event, Phase, repeated
from slipway.report.format import clock
from slipway.report.lines import lines
from slipway.report.terminal import moving


@pytest.mark.parametrize(
    ("elapsed", "expected", "said"),
    [
        (84, None, "working · 1:24"),
        (84.9, 190.4, "working · 1:24 of about 3:10"),
        (190, 190, "working · 3:10 of about 3:10"),
        (242, 190, "working · 4:02, longer than the usual 3:10"),
        (0, 0, "working · 0:00 of about 0:00"),
    ],
)
def test_the_current_step_shows_its_usual_duration(elapsed, expected, said):
    assert moving("working", elapsed, expected) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00")]
)
def test_a_clock_has_hours_only_when_there_are_any(seconds, said):
    assert clock(seconds) == said


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Event("one\ntwo"), ["one", "two"]),
        (Event(phase=Phase.CHANGE), ["the platform is at work"]),
        (Event(phase=Phase.CHANGE, expected=190), ["the platform is at work, usually about 3:10"]),
        (Event("one", Phase.LOOK), ["reading the live state", "one"]),
        (Event("\x1b[2Jone"), ["one"]),
        (Event(), []),
    ],
)
def test_an_event_leaves_its_phase_and_each_of_its_lines(event, said):
    assert lines(event) == said


def test_work_that_lasts_is_repeated_until_it_ends(monkeypatch):
    monkeypatch.setattr("slipway.records.progress._REPEATED_SECONDS", 0.001)
    told, twice = [], threading.Event()

    def tell(text):
        told.append(text)
        if len(told) > 1:
            twice.set()

    with repeated(tell, lambda: f"at work, {len(told)}"):
        assert twice.wait(60)
    ended = len(told)
    assert told[:2] == ["still at work, 0", "still at work, 1"]
    assert len(told) == ended
