"""The service's environment has libraries that the gate cannot use, or no room for its answer."""

import pytest

from slipway.local.inside import why_not


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (
            "ImportError: cannot import name 'URL' from 'sqlalchemy.engine' (/venv/__init__.py)",
            "do not fit: ImportError: cannot import name 'URL' from 'sqlalchemy.engine': the gate needs",
        ),
        ("ModuleNotFoundError: No module named 'sqlalchemy'", "ended: ModuleNotFoundError"),
    ],
)
def test_a_library_that_is_too_old_is_one_sentence(last, expected):
    assert expected in str(why_not("it ended", None, f"Traceback\n{last}\n"))


def test_standard_error_explains_an_answer_that_a_full_disk_left_empty():
    why = "output.json cannot be written: No space left on device; name another file"
    assert str(why_not("it ended", "", f"{why}\n")) == f"it ended: {why}"
