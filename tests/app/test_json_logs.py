import json
import logging
import sys

import pytest

from app import logs


def line_of(**fields):
    record = logging.makeLogRecord({"name": "notes", "levelno": logging.INFO, "levelname": "INFO", **fields})
    return logs.JsonLine().format(record)


def test_a_record_is_one_line_of_json():
    line = line_of(msg="created %s\nand more", args=("note",), created=0)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "logger": "notes",
        "message": "created note\nand more",
    }


def test_an_exception_stays_inside_its_line():
    try:
        int("no such thing")
    except ValueError:
        line = line_of(msg="failed", exc_info=sys.exc_info())
    assert "\n" not in line
    traceback = json.loads(line)["exception"]
    assert traceback.startswith("Traceback")
    assert traceback.endswith("ValueError: invalid literal for int() with base 10: 'no such thing'")


@pytest.mark.parametrize("text", ["\x1b[31mred", "\ud800", "☃", '"}\n{"level": "error"', "\x00", "\u2028"])
def test_any_text_stays_printable_and_in_its_line(text):
    line = line_of(msg=text)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text
