import io
import re
import time

import pytest

from slipway.errors import RefusedError
from slipway.records.progress import Event, Phase
from slipway.report.lines import LineProgress
from slipway.report.terminal import TerminalProgress, replacing


@pytest.fixture
def pipe(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return io.StringIO()


@pytest.fixture
def terminal(pipe, monkeypatch):
    """One of forty columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    pipe.isatty = lambda: True
    return pipe


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


STORY = [
    (0, Event(phase=Phase.LOOK)),
    (1.5, Event("plan: update\n  image: a -> b")),
    (1, Event(phase=Phase.CHANGE, expected=190.0)),
    (0, Event(phase=Phase.CHANGE, expected=190.0)),
    (60, Event("[AppRunner] Deployment started.")),
    (30, Event("[AppRunner] Deployment started.")),
]
TOLD = """\
     0:00  reading the live state
     0:01  plan: update
             image: a -> b
     0:02  the platform is at work, usually about 3:10
     1:02  [AppRunner] Deployment started.
     1:32  [AppRunner] Deployment started.
"""


def told(stream, story=STORY):
    clock = Clock()
    with TerminalProgress(stream, clock).run() as tell:
        for seconds, event in story:
            clock.seconds += seconds
            tell(event)
    return stream.getvalue()


def seen(sent):
    """The lines that a terminal shows at the end, after its erasures."""
    screen, row = [""], 0
    for part in re.findall(r"\x1b\[[0-?]*[@-~]|[\r\n]|[^\x1b\r\n]+", sent):
        if part == "\n":
            row += 1
            screen += [""] * (row + 1 - len(screen))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\x1b[2K":
            screen[row] = ""
        elif not part.startswith("\x1b") and part != "\r":
            screen[row] += part
    return "\n".join(screen).rstrip("\n") + "\n"


def test_a_run_in_a_pipe_tells_each_phase_once_and_each_line_with_its_time(pipe):
    assert told(pipe) == TOLD


def test_a_run_on_a_terminal_leaves_the_same_lines(terminal):
    sent = told(terminal)
    assert seen(sent) == TOLD
    assert "the platform is at work · 0:00 of abou…" in sent
    assert sent.count("\x1b[?25l") == sent.count("\x1b[?25h") == 2


def test_the_moving_line_is_updated_with_every_event(terminal):
    sent = told(terminal, [(0, Event(phase=Phase.WAIT, expected=None)), (84, Event("still their turn"))])
    assert "waiting for another deployment · 1:24" in sent


def test_the_moving_line_is_updated_every_second_without_events(terminal):
    clock = Clock()
    with TerminalProgress(terminal, clock).run() as tell:
        tell(Event(phase=Phase.WAIT))
        clock.seconds += 7
        deadline = time.monotonic() + 60
        while "waiting for another deployment · 0:07" not in terminal.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_nothing_moves_any_more_after_a_run_that_failed(terminal):
    def fails():
        with TerminalProgress(terminal).run() as tell:
            tell(Event(phase=Phase.LOOK))
            raise RefusedError("no", "wait")

    with pytest.raises(RefusedError):
        fails()
    assert seen(terminal.getvalue()) == "     0:00  reading the live state\n"
    assert terminal.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("TTY_INTERACTIVE", "0")])
def test_a_terminal_that_cannot_move_is_as_a_pipe(terminal, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert re.sub(r"\x1b\[[0-9;]*m", "", told(terminal)) == TOLD


def test_no_color_removes_the_colours(terminal, monkeypatch):
    assert re.search(r"\x1b\[[0-9;]*m", told(terminal))
    terminal.seek(0)
    terminal.truncate()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*m", told(terminal))


def test_colours_that_are_asked_for_move_nothing_in_a_pipe(pipe, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    said = told(pipe)
    assert "\x1b[1m" in said
    assert re.sub(r"\x1b\[[0-9;]*m", "", said) == TOLD


@pytest.mark.parametrize("kind", [LineProgress, TerminalProgress])
def test_in_a_pipe_every_line_is_plain_and_stays(pipe, kind):
    voice = kind(pipe)
    voice.section("Act I")
    with voice.step("building"):
        pass
    voice.done("built", 1.25)
    voice.note("mind the gap")
    voice.line("one\ntwo")
    assert pipe.getvalue() == ("\nAct I\n    1.2 s  built\n           mind the gap\n           one\n           two\n")


def test_a_long_line_is_not_broken(pipe):
    TerminalProgress(pipe).line("word " * 100)
    assert len(pipe.getvalue().splitlines()) == 1


def test_a_step_on_a_terminal_moves_and_disappears_at_its_end(pipe):
    pipe.isatty = lambda: True
    voice = TerminalProgress(pipe)
    with voice.step("building \x1b[2Jit"):
        pass
    said = pipe.getvalue()
    assert "building it" in said
    assert "\x1b[2J" not in said


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "[bold]red[/bold]", ":boom:", "\x00\x9b31mred", "\ud800red"])
def test_what_others_wrote_is_neither_markup_nor_a_command_to_the_terminal(pipe, text):
    voice = TerminalProgress(pipe)
    for say in (voice.section, voice.note, voice.line, lambda text: voice.done(text, 1)):
        say(text)
    voice.event(Event(text, Phase.CHANGE))
    said = pipe.getvalue()
    assert all(char.isprintable() or char == "\n" for char in said)
    assert said.count(text) == (5 if text.isprintable() else 0)


def test_the_detail_of_a_step_moves_on_a_terminal(terminal):
    progress = TerminalProgress(terminal)
    with progress.step("proving") as line:
        progress.detail("revision b, 2 of 3\x1b[2J")
        line.refresh()
    assert "proving, revision b, 2 of 3" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()


@pytest.mark.parametrize("kind", [LineProgress, TerminalProgress])
def test_each_stage_of_a_step_is_a_line_with_its_time_in_a_pipe_and_details_are_absent(pipe, kind):
    clock = Clock()
    progress = kind(pipe, clock)
    with progress.step("proving"):
        progress.stage("making an environment\x1b[2J")
        clock.seconds += 61
        progress.stage("running the revisions")
        progress.detail("revision b, 2 of 3")
    assert pipe.getvalue() == "     0:00  making an environment\n     1:01  running the revisions\n"


def test_a_stage_on_a_terminal_moves_with_its_step(terminal):
    progress = TerminalProgress(terminal)
    with progress.step("proving") as line:
        progress.stage("making an environment")
        line.refresh()
    assert "proving, making an enviro" in terminal.getvalue()
    assert seen(terminal.getvalue()) == "\n"


def test_a_text_replaces_the_one_before_on_a_terminal(terminal):
    with replacing(terminal) as show:
        show("one\n\x1b]0;owned\x07two\n")
        show("three\n")
    said = terminal.getvalue()
    assert "owned" not in said
    assert said.index("two") < said.index("\x1b[1A") < said.index("three")  # the cursor goes up
