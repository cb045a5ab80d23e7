"""One call of an AWS API: who asks whom, and when."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Call:
    """`now` is the platform's time, `endpoint` the URL under which the simulator was reached, `caller` an access key."""

    region: str
    account: str
    now: datetime
    endpoint: str
    caller: str = ""


Operation = Callable[[Mapping[str, Any], Call], Awaitable[Mapping[str, Any]]]
Operations = Mapping[str, Operation]
