"""The table of resource kinds: what slipway needs of AWS's provider schemas, which cfn-lint ships in full.

cfn-lint is a tool of developers (41 MB); the table is beside the code, so `slipway simulator` and `slipway bootstrap` have it.
To add a kind, name it here and run `make pages`.
"""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_REGION = "us-east-1"
_KINDS = {
    "AppRunner": "AutoScalingConfiguration VpcConnector",
    "EC2": "EIP InternetGateway NatGateway Route RouteTable SecurityGroup SecurityGroupIngress Subnet SubnetRouteTableAssociation"
    " VPC VPCEndpoint VPCGatewayAttachment",
    "ECR": "Repository",
    "ECS": "Cluster",
    "IAM": "OIDCProvider Policy Role",  # the second cannot be read, so its drift is not checked
    "Logs": "LogGroup",
    "RDS": "DBInstance DBSubnetGroup",
    "SecretsManager": "Secret",
}
_LISTS = ("createOnly", "conditionalCreateOnly", "readOnly", "writeOnly")
_VALUES = ("$ref", "enum", "items", "properties", "required", "type")  # of a schema of values; the rest is for people


def text() -> str:
    """Return the table as JSON, a kind a line."""
    lines = (f"{json.dumps(name)}:{json.dumps(kind, separators=(',', ':'))}" for name, kind in _kinds())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _kinds() -> Iterator[tuple[str, dict[str, Any]]]:
    spec = importlib.util.find_spec("cfnlint")
    assert spec
    assert spec.origin
    folder = Path(spec.origin).parent / "data/schemas"
    files = json.loads((folder / f"providers/{_REGION}.json").read_text())
    for service, names in sorted(_KINDS.items()):
        for name in names.split():
            kind = f"AWS::{service}::{name}"
            yield kind, _kind(json.loads((folder / f"resources/{files[kind]}.json").read_text()))


def _kind(schema: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "properties": {name: _value(value) for name, value in schema["properties"].items()},
        "required": schema.get("required", []),
    }
    if definitions := _used(schema, values):
        values["definitions"] = definitions
    lists = {name: [_path(path) for path in schema.get(f"{name}Properties", [])] for name in _LISTS}
    handlers = {
        name: sorted(set(handler["permissions"])) for name, handler in sorted(schema.get("handlers", {}).items())
    }
    tagging = schema.get("tagging", {})
    tags = {"tags": _path(tagging.get("tagProperty", "/properties/Tags"))} if tagging.get("taggable") else {}
    return {
        "identifier": [_path(path) for path in schema["primaryIdentifier"]],
        **lists,
        **tags,
        "handlers": handlers,
        **values,
    }


def _used(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions that values refer to, directly or not."""
    used: dict[str, Any] = {}
    unread = [json.dumps(values)]
    while unread:
        for name in sorted(set(re.findall(r"#/definitions/(\w+)", unread.pop())) - set(used)):
            used[name] = _value(schema["definitions"][name])
            unread.append(json.dumps(used[name]))
    return used


def _value(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: schema[name] for name in _VALUES if name in schema}
    if "items" in kept:
        kept["items"] = _value(kept["items"])
    if "properties" in kept:
        kept["properties"] = {name: _value(value) for name, value in kept["properties"].items()}
    return kept


def _path(pointer: str) -> str:
    return pointer.removeprefix("/properties/")
