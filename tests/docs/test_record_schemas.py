"""The schemas in docs/schemas, compared with written records of every shape."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from slipway.records.form import to_data
from slipway.records.outcome import Outcome, Status
from tests.records.test_record_forms import RECORDS, values

FOLDER = Path(__file__).parents[2] / "docs/schemas"
OUTCOME = to_data(
    Outcome(
        environment="staging",
        service="notes",
        status=Status.SUCCEEDED,
        requested="sha256:1",
        live=None,
        url=None,
        seconds=1.0,
    )
)


@cache
def validator(name):
    file = FOLDER / f"{name.removeprefix('slipway/').replace('/', '-')}.json"
    return Draft202012Validator(json.loads(file.read_text()))


def test_every_record_has_a_schema_and_no_schema_is_left_of_one_that_is_gone():
    schemas = [json.loads(file.read_text())["$id"] for file in FOLDER.glob("*.json")]
    assert sorted(schemas) == sorted(kind.SCHEMA for kind in RECORDS)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.SCHEMA)
def test_a_schema_is_valid_itself_and_has_no_field_that_the_record_has_not(kind):
    schema = validator(kind.SCHEMA).schema
    Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(schema["properties"])


@settings(max_examples=6)
@given(data=st.data())
@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.SCHEMA)
def test_every_record_is_written_as_its_schema_describes(kind, data):
    written = to_data(data.draw(values(kind)))
    validator(kind.SCHEMA).validate(json.loads(json.dumps(written)))
    assert set(written) == set(validator(kind.SCHEMA).schema["properties"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "slipway/outcome/2"},
        {"status": "FINE"},
        {"seconds": "1"},
        {"live": 1},
        {"diagnosis": {"rule": "P1"}},
        {"requested": None},
    ],
    ids=str,
)
def test_a_schema_rejects_wrong_records(wrong):
    assert validator("slipway/outcome/1").is_valid(OUTCOME)
    assert not validator("slipway/outcome/1").is_valid(OUTCOME | wrong)


@pytest.mark.parametrize("missing", OUTCOME)
def test_every_field_is_always_there(missing):
    assert not validator("slipway/outcome/1").is_valid({key: OUTCOME[key] for key in OUTCOME if key != missing})


def test_additional_fields_of_a_later_version_are_valid():
    assert validator("slipway/outcome/1").is_valid(OUTCOME | {"number": 7})


def test_the_page_links_every_schema():
    page = (FOLDER.parent / "json.md").read_text()
    assert set(re.findall(r"\(schemas/(\S+)\)", page)) == {file.name for file in FOLDER.glob("*.json")}
