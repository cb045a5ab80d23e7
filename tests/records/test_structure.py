from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated

import pytest

from slipway.structure import (
    Constrained,
    Filled,
    MismatchError,
    Pattern,
    Range,
    Variants,
    constraints,
    describe,
    kebab,
    read,
    write,
)


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Wheel:
    spokes: int
    colour: Colour = Colour.RED

    def __post_init__(self):
        if self.spokes < 3:
            raise MismatchError("spokes", f"found {self.spokes}, allowed are 3 and more")


@dataclass(frozen=True)
class Cart:
    owner_name: str
    wheels: tuple[Wheel, ...] = ()
    spares: Mapping[str, Wheel] = field(default_factory=dict)
    weight: float | None = None


FULL = Cart("Ann", (Wheel(12), Wheel(8, Colour.GREEN)), {"left": Wheel(6)}, 80.5)
PLAIN = {
    "owner_name": "Ann",
    "wheels": [{"spokes": 12, "colour": "red"}, {"spokes": 8, "colour": "green"}],
    "spares": {"left": {"spokes": 6, "colour": "red"}},
    "weight": 80.5,
}


def refusal(kind, value, spelling=kebab):
    with pytest.raises(MismatchError) as caught:
        read(kind, value, "", spelling)
    return str(caught.value)


def test_plain_data_becomes_dataclasses_and_plain_data_again():
    assert read(Cart, PLAIN) == FULL
    assert write(FULL) == PLAIN


def test_settings_are_spelt_with_dashes_and_mappings_keep_their_keys():
    spares = {"left_one": {"spokes": 6}}
    cart = read(Cart, {"owner-name": "Ann", "spares": spares}, "", kebab)
    assert cart == Cart("Ann", spares={"left_one": Wheel(6)})
    assert list(write(cart, kebab)) == ["owner-name", "wheels", "spares", "weight"]
    assert list(write(cart, kebab)["spares"]) == ["left_one"]


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (str, "", ""),
        (int, 0, 0),
        (bool, False, False),
        (float, 1.5, 1.5),
        (float, 2, 2.0),
        (Colour, "green", Colour.GREEN),
        (int | None, None, None),
        (int | None, 3, 3),
        (tuple[int, ...], [], ()),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[tuple[str, ...], ...], [["a"], []], (("a",), ())),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, Mapping[str, bool]], {"a": {"b": True}}, {"a": {"b": True}}),
    ],
)
def test_a_value_that_fits_is_read(kind, value, result):
    assert read(kind, value) == result
    assert type(read(kind, value)) is type(result)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, "8000", "found '8000' (a text), allowed is a whole number"),
        (int, True, "found true, allowed is a whole number"),
        (int, 1.0, "found 1.0 (a number), allowed is a whole number"),
        (int, None, "found nothing, allowed is a whole number"),
        (float, True, "found true, allowed is a number"),
        (float, "1.5", "found '1.5' (a text), allowed is a number"),
        (float, 10**400, f"found 1{'0' * 59} (a whole number), allowed is a number"),
        (bool, "false", "found 'false' (a text), allowed is true or false"),
        (bool, 0, "found 0 (a whole number), allowed is true or false"),
        (str, 1, "found 1 (a whole number), allowed is a text"),
        (str, ["a"], "found a list, allowed is a text"),
        (Colour, "blue", "found 'blue' (a text), allowed is one of 'red', 'green'"),
        (Colour, "RED", "found 'RED' (a text), allowed is one of 'red', 'green'"),
        (Colour, ["red"], "found a list, allowed is one of 'red', 'green'"),
        (tuple[str, ...], "abc", "found 'abc' (a text), allowed is a list"),
        (tuple[str, ...], {"a": "b"}, "found a table, allowed is a list"),
        (tuple[int, ...], [1, "2"], "[1]: found '2' (a text), allowed is a whole number"),
        (Mapping[str, int], [1], "found a list, allowed is a table"),
        (Mapping[str, int], {"a": "1"}, "a: found '1' (a text), allowed is a whole number"),
        (int | None, "1", "found '1' (a text), allowed is a whole number"),
        (Wheel, [], "found a list, allowed is a table"),
        (Wheel, {}, "spokes: missing, it must be a whole number"),
        (Wheel, {"spokes": 2}, "spokes: found 2, allowed are 3 and more"),
        (Wheel, {"spokes": 8, "color": "red"}, "color: unknown key, did you mean colour?"),
        (Wheel, {"spokes": 8, "rim": 1}, "rim: unknown key, allowed are spokes, colour"),
        (Cart, {"owner_name": "Ann"}, "owner_name: unknown key, did you mean owner-name?"),
        (Cart, {}, "owner-name: missing, it must be a text"),
    ],
)
def test_an_unfit_value_is_refused_with_the_allowed_kind(kind, value, message):
    assert refusal(kind, value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"wheels": [{"spokes": 12}, {"spokes": "8"}]},
            "wheels[1].spokes: found '8' (a text), allowed is a whole number",
        ),
        ({"wheels": [{"spokes": 1}]}, "wheels[0].spokes: found 1, allowed are 3 and more"),
        ({"spares": {"left_one": {"spokes": 2}}}, "spares.left_one.spokes: found 2, allowed are 3 and more"),
        ({"spares": {"left_one": {}}}, "spares.left_one.spokes: missing, it must be a whole number"),
    ],
)
def test_an_unfit_value_deep_inside_is_refused_with_its_place(change, message):
    assert refusal(Cart, {"owner-name": "Ann"} | change) == message


@dataclass(frozen=True)
class Keyed:
    by_name: Mapping[str, str]

    def __post_init__(self):
        for name in self.by_name:
            raise MismatchError(f"by-name.{name}", "nothing is allowed")


def test_a_place_from_a_dataclass_keeps_the_keys_as_written():
    assert refusal(Keyed, {"by-name": {"MY_KEY": ""}}) == "by-name.MY_KEY: nothing is allowed"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a", "'a' (a text)"),
        ("a\nb", "'a\\nb' (a text)"),
        ("\x1b[31m", "'\\x1b[31m' (a text)"),
        ("x" * 100, "'" + "x" * 59 + " (a text)"),
        (1, "1 (a whole number)"),
        (0.5, "0.5 (a number)"),
        (True, "true"),
        (None, "nothing"),
        ([1], "a list"),
        ({}, "a table"),
        ({1}, "set"),
    ],
)
def test_a_value_is_described_in_a_few_safe_words(value, said):
    assert describe(value) == said


Name = Annotated[str, Pattern(r"[a-z]+", "small letters")]


@dataclass(frozen=True)
class Limited(Constrained):
    top_speed: Annotated[int, Range(1, 9)] = 5
    names: Annotated[tuple[Name, ...], Filled("a list of names")] = ("ann",)
    nick_name: Name | None = None
    keys: Mapping[Name, Annotated[str, Pattern("arn:.*", "an ARN", secret=True)]] = field(default_factory=dict)


BROKEN = [
    ({"top_speed": 0}, "top-speed: found 0, allowed is 1 to 9"),
    ({"top_speed": 10}, "top-speed: found 10, allowed is 1 to 9"),
    ({"names": ()}, "names: found an empty list, allowed is a list of names"),
    ({"names": ("ann", "Bob")}, "names[1]: found 'Bob', allowed is small letters"),
    ({"nick_name": "a\n"}, "nick-name: found 'a\\n', allowed is small letters"),
    ({"keys": {"A": "arn:x"}}, "keys.A: found 'A', allowed is small letters"),
    ({"keys": {"a": "hunter2"}}, "keys.a: found something else, allowed is an ARN"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_constraint_holds_whether_a_value_is_read_or_made_in_code(change, message):
    assert refusal(Limited, {kebab(key): value for key, value in change.items()}) == message
    with pytest.raises(MismatchError) as caught:
        Limited(**change)
    assert str(caught.value) == message


def test_constraints_of_a_type_can_be_listed_for_its_documentation():
    hints = Limited.__annotations__
    assert [each.allowed for each in constraints(hints["names"])] == ["a list of names", "small letters"]
    assert [each.allowed for each in constraints(hints["nick_name"])] == ["small letters"]
    assert Range(1).allowed == "1 or more"


@dataclass(frozen=True)
class Vehicle:
    colour: Colour


@dataclass(frozen=True)
class Boat(Vehicle):
    sails: int = 2


Any_ = Annotated[Vehicle, Variants("colour", {Colour.RED: Boat})]


def test_a_key_of_a_table_chooses_its_class():
    assert read(Any_, {"colour": "red", "sails": 3}) == Boat(Colour.RED, 3)
    assert type(read(Any_, {"colour": "green"})) is Vehicle
    assert (
        refusal(Any_, {"colour": "green", "sails": 3}) == "sails: found with colour 'green', only colour 'red' has it"
    )
    assert refusal(Any_, {"sails": 3}) == "colour: missing, it must be one of 'red', 'green'"
    assert refusal(Any_, {"colour": ["red"]}) == "colour: found a list, allowed is one of 'red', 'green'"
    assert refusal(Any_, 3) == "found 3 (a whole number), allowed is a table"
