import io

import pytest

from slipway.report.terminal import TerminalVoice


@pytest.fixture
def pipe(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return io.StringIO()


def test_in_a_pipe_every_line_is_plain_and_stays(pipe):
    voice = TerminalVoice(pipe, lines=True)
    voice.heading("Act I")
    with voice.doing("building"):
        pass
    voice.done("built", 1.25)
    voice.note("mind the gap")
    voice.line("one\ntwo")
    assert pipe.getvalue() == ("\nAct I\n    1.2 s  built\n           mind the gap\n           one\n           two\n")


def test_lines_are_left_out_where_nobody_wants_them(pipe):
    voice = TerminalVoice(pipe, lines=False)
    voice.line("one")
    voice.note("two")
    assert pipe.getvalue().split() == ["two"]


def test_a_long_line_is_not_broken(pipe):
    TerminalVoice(pipe, lines=True).line("word " * 100)
    assert len(pipe.getvalue().splitlines()) == 1


def test_on_a_terminal_what_is_going_on_moves_and_is_gone_when_it_is_done(pipe):
    pipe.isatty = lambda: True
    voice = TerminalVoice(pipe, lines=True)
    with voice.doing("building \x1b[2Jit"):
        pass
    said = pipe.getvalue()
    assert "building it" in said
    assert "\x1b[2J" not in said


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "[bold]red[/bold]", ":boom:", "\x00\x9b31mred", "\ud800red"])
def test_what_others_wrote_is_neither_markup_nor_a_command_to_the_terminal(pipe, text):
    voice = TerminalVoice(pipe, lines=True)
    for say in (voice.heading, voice.note, voice.line, lambda text: voice.done(text, 1)):
        say(text)
    said = pipe.getvalue()
    assert all(char.isprintable() or char == "\n" for char in said)
    assert said.count(text) == (4 if text.isprintable() else 0)
