"""Changes of one property, compared with the provider schemas in full; and drift."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slipway.resource_kinds import kinds
from slipway.simulator.cloudformation.comparison import Comparison
from slipway.simulator.cloudformation.stack import SimulatedStack, StackResource
from slipway.simulator.cloudformation.template import Template
from slipway.simulator.cloudformation.values import differences

NOW = datetime(2026, 11, 29, tzinfo=UTC)
SCHEMAS = Path(importlib.util.find_spec("cfnlint").origin).parent / "data/schemas"


FILES = json.loads((SCHEMAS / "providers/us-east-1.json").read_text())


def schema_of(kind: str) -> dict:
    return json.loads((SCHEMAS / f"resources/{FILES[kind]}.json").read_text())


def replacement(kind: str, before: dict, after: dict) -> str | None:
    """Return the replacement of the only resource in the change set of an update."""
    held = StackResource(
        logical="Only",
        kind=kinds()[kind],
        block={"Type": kind, "Properties": before},
        properties=before,
        identifier="only",
        attributes={"Ref": "only"},
        changed=NOW,
    )
    stack = SimulatedStack(name="stack", arn="arn", created=NOW, resources={"Only": held})
    document = {"Resources": {"Only": {"Type": kind, "Properties": after}}}
    template = Template(body="", document=document, pseudo={})
    found = Comparison(stack=stack, template=template, tags=[], now=NOW).changes()
    return found[0].replacement if found else None


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_a_changed_property_replaces_only_where_the_schema_says_create_only(kind):
    schema = schema_of(kind)

    def names(key):
        return {path.removeprefix("/properties/") for path in schema.get(f"{key}Properties", [])}

    for name in set(schema["properties"]) - names("readOnly"):
        expected = "True" if name in names("createOnly") else "False"
        expected = "Conditional" if name in names("conditionalCreateOnly") - names("createOnly") else expected
        assert (name, replacement(kind, {name: "one"}, {name: "two"})) == (name, expected)
        assert replacement(kind, {}, {name: "two"}) == replacement(kind, {name: "one"}, {}) == expected
        assert replacement(kind, {name: "one"}, {name: "one"}) is None
    for path in names("createOnly") - names("readOnly"):
        above, _, below = path.partition("/")
        if below and above not in names("createOnly") and "*" not in below:
            one, other, beside = ({above: {below: value, "Other": 1}} for value in (1, 2, 1))
            assert replacement(kind, one, other) == "True"
            beside[above]["Other"] = 2
            assert replacement(kind, one, beside) == "False"


GROUP = kinds()["AWS::EC2::SecurityGroup"]
RULE = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "10.0.0.0/16"}
OPEN = {**RULE, "CidrIp": "0.0.0.0/0"}


@pytest.mark.parametrize(
    ("expected", "actual", "found"),
    [
        ({"GroupDescription": "d"}, {"GroupDescription": "d", "SecurityGroupIngress": [OPEN]}, []),
        (
            {"SecurityGroupIngress": [RULE]},
            {"SecurityGroupIngress": [OPEN, RULE]},
            [("/SecurityGroupIngress/0", "ADD")],
        ),
        (
            {"SecurityGroupIngress": [RULE, OPEN]},
            {"SecurityGroupIngress": [OPEN]},
            [("/SecurityGroupIngress/0", "REMOVE")],
        ),
        (
            {"SecurityGroupIngress": [RULE]},
            {"SecurityGroupIngress": [OPEN]},
            [("/SecurityGroupIngress/0/CidrIp", "NOT_EQUAL")],
        ),
        ({"SecurityGroupIngress": [RULE]}, {"SecurityGroupIngress": [{**RULE, "FromPort": "5432"}]}, []),
        ({"SecurityGroupIngress": [RULE]}, {}, [("/SecurityGroupIngress", "REMOVE")]),
    ],
)
def test_drift_is_what_differs_from_the_properties_that_the_template_sets(expected, actual, found):
    assert [(each.path, each.type) for each in differences(GROUP, expected, actual)] == found
