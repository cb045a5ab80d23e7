import ast
import re
from pathlib import Path

import pytest

from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError, within
from slipway.settings import MissingTableError, SettingsError

ENDED = re.compile(r"[.!?:;,] *$|[.!?] +[A-Z]")
EXCEPTION = re.compile(r"(error\.strerror or )?str\(error\)")
SOURCE = Path(__file__).parents[2] / "ci/src/slipway"
RAISED_BY_NAME = {kind.__name__ for kind in (RefusedError, BadInputError, UnknownOutcomeError, SettingsError)}


def raised():
    """Yield every place that makes an error, with the source text of what happened and of the next step."""
    for file in sorted(SOURCE.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and getattr(call.func, "attr", getattr(call.func, "id", "")) in RAISED_BY_NAME
            ):
                yield f"{file.relative_to(SOURCE)}:{call.lineno}", *map(words, call.args)


def words(argument):
    """The text of an argument, empty for that of an exception alone; a part known only at run time is an ellipsis."""
    if EXCEPTION.match(ast.unparse(argument)):
        return ""
    if isinstance(argument, ast.Constant):
        return argument.value
    if isinstance(argument, ast.JoinedStr):
        return "".join(piece.value if isinstance(piece, ast.Constant) else "…" for piece in argument.values)
    return "…"


def is_one_sentence(what, next_step):
    said = str(SlipwayError(what, next_step))
    begins_small = said.startswith(("AWS ", "App Runner ", "ECS ")) or not said[0].isupper()
    return bool(what and next_step) and said.isprintable() and begins_small and not ENDED.search(said)


@pytest.mark.slow
def test_every_error_in_the_source_is_one_sentence_with_a_next_step():
    places = list(raised())
    assert len(places) > 150
    assert [place for place, *sentence in places if not is_one_sentence(*sentence)] == []


def test_an_error_separates_what_happened_from_the_next_step():
    error = RefusedError("the gate refuses", "see the report")
    assert (error.what, error.next_step, str(error)) == (
        "the gate refuses",
        "see the report",
        "the gate refuses: see the report",
    )


@pytest.mark.parametrize(
    ("kind", "code"),
    [(SlipwayError, 1), (RefusedError, 1), (BadInputError, 2), (SettingsError, 2), (UnknownOutcomeError, 3)],
)
def test_each_error_has_its_exit_code(kind, code):
    assert kind("it failed", "mend it").exit_code == code


def test_a_file_without_settings_is_bad_input():
    assert isinstance(MissingTableError("pyproject.toml has no [tool.slipway]"), BadInputError)


REFUSED = RefusedError("no", "never")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (REFUSED, REFUSED),
        (ExceptionGroup("", [REFUSED]), REFUSED),
        (ExceptionGroup("", [ExceptionGroup("", [ValueError(), ExceptionGroup("", [OSError(), REFUSED])])]), REFUSED),
        (BaseExceptionGroup("", [KeyboardInterrupt(), REFUSED]), REFUSED),
        (ExceptionGroup("", [REFUSED, BadInputError("later", "ignored")]), REFUSED),
        (ValueError(), None),
        (KeyboardInterrupt(), None),
        (ExceptionGroup("", [ExceptionGroup("", [ValueError()]), OSError()]), None),
    ],
    ids=repr,
)
def test_the_error_for_a_person_is_found_within_groups(error, found):
    assert within(error) is found


def test_an_error_that_only_caused_another_is_not_the_error():
    with pytest.raises(ValueError, match="another") as caught:
        raise ValueError("another") from REFUSED
    assert within(caught.value) is None
