import importlib
import json
import pkgutil
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway import records
from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.form import from_data, from_json, to_data, to_json
from slipway.records.image import Image, ImageKind
from slipway.records.migration import Migration
from slipway.records.outcome import Outcome, Status
from slipway.records.proof import Finding, Level
from slipway.records.refusal import Refusal
from slipway.records.rehearsal import Act, Rehearsal, Step
from slipway.settings import SettingsError
from slipway.structure import read, write

MODULES = [importlib.import_module(f"slipway.records.{found.name}") for found in pkgutil.iter_modules(records.__path__)]
DATACLASSES = {
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module.__name__
}
KINDS = sorted(DATACLASSES, key=lambda kind: kind.__qualname__)
RECORDS = [kind for kind in KINDS if hasattr(kind, "SCHEMA")]

IMAGE = Image(repository="notes", digest="sha256:0123", kind=ImageKind.TREE, revision="89abcdef", size=4096)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

# A proof is large, and a machine may be slow.
some = settings(max_examples=8, suppress_health_check=list(HealthCheck))


@cache
def values(hint):
    """All values that a field of this type may have."""
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        return st.one_of(map(values, arguments))
    if typing.get_origin(hint) is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(st.text(), values(arguments[1]), max_size=3)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: values(hints[field.name]) for field in fields(hint)})
    return st.from_type(hint)


def leaves(data, path=()):
    """The places of plain data, by the keys and numbers that lead there."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))


def planted(data, path, value):
    """The same data with something else at one place."""
    if not path:
        return value
    changed = dict(data) if isinstance(data, dict) else list(data)
    changed[path[0]] = planted(data[path[0]], path[1:], value)
    return changed


@some
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RECORDS])
@given(data=st.data())
def test_a_written_value_is_read_back_unchanged(kind, data):
    value = data.draw(values(kind))
    assert read(kind, write(value)) == value


@some
@pytest.mark.parametrize("kind", RECORDS)
@given(data=st.data())
def test_a_record_survives_its_json_form(kind, data):
    record = data.draw(values(kind))
    assert from_json(kind, to_json(record), "a file") == record


@settings(some, max_examples=30)
@given(record=st.sampled_from(RECORDS).flatmap(values), data=st.data())
def test_truncated_json_is_refused(record, data):
    text = to_json(record).rstrip()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(BadInputError, match=r"^proof\.json is not JSON: "):
        from_json(type(record), text[:cut], "proof.json")


@some
@pytest.mark.parametrize("kind", RECORDS)
@given(data=st.data())
def test_any_value_of_a_field_is_read_or_refused(kind, data):
    plain = to_data(data.draw(values(kind)))
    path = data.draw(st.sampled_from(list(leaves(plain))))
    changed = json.dumps(planted(plain, path, data.draw(JSON)))
    with suppress(BadInputError):
        assert isinstance(from_json(kind, changed, "a file"), kind)


@given(value=JSON)
def test_whatever_is_no_record_at_all_is_refused(value):
    with pytest.raises(BadInputError, match=r"^a file is no slipway/image/1: its schema is "):
        from_data(Image, value, "a file")


@pytest.mark.parametrize("text", ["", "{", "[1, ", "\ud800", "[" * 100_000, "1" * 5000])
def test_text_that_is_no_json_is_refused(text):
    with pytest.raises(BadInputError, match=r"^a file is not JSON: "):
        from_json(Image, text, "a file")


def test_the_json_form_is_the_fields_under_a_line_that_names_noun_and_version():
    assert json.loads(to_json(IMAGE)) == {
        "schema": "slipway/image/1",
        "repository": "notes",
        "digest": "sha256:0123",
        "kind": "tree",
        "revision": "89abcdef",
        "size": 4096,
    }
    assert to_json(IMAGE).splitlines()[1].strip() == '"schema": "slipway/image/1",'
    assert to_json(IMAGE).endswith("}\n")


@pytest.mark.parametrize("kind", RECORDS)
def test_every_record_has_a_schema_that_names_it(kind):
    assert kind.SCHEMA.replace("-", "") == f"slipway/{kind.__name__.lower()}/1"


@pytest.mark.parametrize(
    "schema", ["slipway/image/2", "slipway/image", "slipway/proof/1", None, 1, ["slipway/image/1"]]
)
def test_another_schema_is_refused_with_a_next_step(schema):
    with pytest.raises(BadInputError) as caught:
        from_data(Image, to_data(IMAGE) | {"schema": schema}, "image.json")
    assert str(caught.value) == (
        f"image.json is no slipway/image/1: its schema is {schema!r}; create it again with this version of slipway"
    )


def test_a_record_without_a_schema_is_refused():
    with pytest.raises(BadInputError, match="its schema is None"):
        from_data(Image, write(IMAGE), "image.json")


def test_an_unknown_key_is_refused():
    with pytest.raises(BadInputError) as caught:
        from_data(Image, to_data(IMAGE) | {"digests": "sha256:4567"}, "image.json")
    assert (
        str(caught.value)
        == "image.json is no slipway/image/1 (digests: unknown key, did you mean digest?): create it again with this version of slipway"
    )


def test_a_missing_key_is_refused():
    data = to_data(IMAGE)
    del data["kind"]
    with pytest.raises(BadInputError) as caught:
        from_data(Image, data, "image.json")
    assert (
        str(caught.value)
        == "image.json is no slipway/image/1 (kind: missing, it must be one of 'image', 'tree'): create it again with this version of slipway"
    )


def test_a_key_with_a_default_may_be_left_out():
    data = to_data(
        Outcome(
            environment="staging",
            service="notes",
            status=Status.NOOP,
            requested="sha256:0123",
            live=None,
            url=None,
            seconds=1.5,
        )
    )
    del data["operation"], data["diagnosis"]
    assert from_data(Outcome, data, "a file").diagnosis is None


def test_a_nested_wrong_type_is_reported_with_its_place():
    data = to_data(Migration(before=(), after=("e731",), applied=("5b0a", "e731"), attempts=1, seconds=0.5))
    data["applied"][1] = 7
    with pytest.raises(BadInputError) as caught:
        from_data(Migration, data, "a file")
    assert str(caught.value) == (
        "a file is no slipway/migration/1 (applied[1]: found 7 (a whole number), allowed is a text): create it again with this version of slipway"
    )


def test_an_image_is_referred_to_by_digest():
    assert IMAGE.reference == "notes@sha256:0123"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.SUCCEEDED, 0),
        (Status.NOOP, 0),
        (Status.UNANSWERED, 1),
        (Status.ROLLED_BACK, 1),
        (Status.ABORTED, 4),
        (Status.CREATE_FAILED, 1),
        (Status.ROLLBACK_FAILED, 1),
        (Status.FAILED, 1),
        (Status.SUPERSEDED, 1),
        (Status.REFUSED, 1),
        (Status.UNKNOWN, 3),
    ],
)
def test_a_command_exits_with_0_only_when_the_digest_is_live(status, code):
    assert status.exit_code == code


def test_every_status_is_in_the_table_above():
    (table,) = test_a_command_exits_with_0_only_when_the_digest_is_live.pytestmark
    assert [status for status, _ in table.args[1]] == list(Status)


@pytest.mark.parametrize(
    ("level", "suppressed", "fails"),
    [
        (Level.ERROR, None, True),
        (Level.ERROR, "old", False),
        (Level.ERROR, "", False),
        (Level.WARNING, None, False),
        (Level.NOTE, None, False),
    ],
)
def test_a_finding_fails_the_gate_when_it_is_an_error_that_counts(level, suppressed, fails):
    assert Finding(rule="M01", level=level, message="A lock.", suppressed=suppressed).fails is fails


def test_the_platform_seconds_of_an_act_are_those_of_its_steps():
    steps = (Step("build", 1.0), Step("deploy", 2.0, 60.5), Step("promote", 2.0, 30.0))
    assert Act(name="I", title="", happened="", how="", passed=True, seconds=5.0, steps=steps).platform_seconds == 90.5


@pytest.mark.parametrize(("acts_passed", "whole"), [((), True), ((True, True), True), ((True, False), False)])
def test_a_rehearsal_passes_when_every_act_does(acts_passed, whole):
    acts = tuple(Act(name="", title="", happened="", how="", passed=passed, seconds=1.0) for passed in acts_passed)
    assert Rehearsal(service="notes", revision="0123", postgres="", acts=acts, traffic=None).passed is whole


@pytest.mark.parametrize("kind", [RefusedError, BadInputError, UnknownOutcomeError])
def test_an_error_arrives_in_another_process_as_it_was_raised(kind):
    sent = to_json(Refusal.of(kind("it failed", "mend it")))
    arrived = from_json(Refusal, sent, "a process").error()
    assert (type(arrived), str(arrived)) == (kind, "it failed: mend it")


def test_a_more_specific_error_arrives_as_its_kind():
    assert type(Refusal.of(SettingsError("a", "b")).error()) is BadInputError


@given(refusal=values(Refusal))
def test_a_refusal_whatever_it_says_is_an_error_for_a_person(refusal):
    assert isinstance(refusal.error(), SlipwayError)
