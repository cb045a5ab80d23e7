"""Tags of services and of what they share. They are changed by these operations only: CreateService sets them, UpdateService cannot [M]."""

from collections.abc import Callable, Mapping
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError

_MOST = 50  # [G]


class Tags:
    """`of` answers a resource's tags by its ARN, None when there is no such resource."""

    def __init__(self, of: Callable[[str], dict[str, str] | None]) -> None:
        self._of = of
        self.operations: Operations = {
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListTagsForResource": self.list_tags_for_resource,
        }

    async def tag_resource(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        tags = self._existing(request)
        asked = {tag["Key"]: tag.get("Value", "") for tag in request["Tags"]}
        if any(key.lower().startswith("aws:") for key in asked):
            raise AwsError("InvalidRequestException", "Tag keys that begin with aws: are reserved.")  # †
        if len(tags | asked) > _MOST:
            raise AwsError("InvalidRequestException", f"A resource has {_MOST} tags at most.")  # †
        tags |= asked
        return {}

    async def untag_resource(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        tags = self._existing(request)
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    async def list_tags_for_resource(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._existing(request).items()]}

    def _existing(self, request: Mapping[str, Any]) -> dict[str, str]:
        tags = self._of(request["ResourceArn"])
        if tags is None:
            raise AwsError("ResourceNotFoundException", f"Resource doesn't exist: {request['ResourceArn']}.")  # †
        return tags
