"""AWS STS, as far as one asks who one is."""

from collections.abc import Mapping
from typing import Any

from slipway.simulator.call import Call, Operations


class Sts:
    """Whoever asks is the account's one user."""

    def __init__(self) -> None:
        self.operations: Operations = {"GetCallerIdentity": self.get_caller_identity}

    async def get_caller_identity(self, _request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        arn = f"arn:aws:iam::{call.account}:user/simulated"
        return {"UserId": "AIDASIMULATED00000000", "Account": call.account, "Arn": arn}
