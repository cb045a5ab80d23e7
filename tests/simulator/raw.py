"""The wire protocol without boto3, which refuses invalid requests and drops unknown members of answers."""

import json
from typing import Any

import httpx

from slipway.workload.workload import NO_CERTIFICATES

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=simulated/20260101/eu-west-1/apprunner/aws4_request, SignedHeaders=host, Signature=00"
)


async def ask_raw(
    url: str, target: str, request: Any, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """POST a request to an operation, named as in `X-Amz-Target`; return the status and the JSON."""
    content = request if isinstance(request, bytes) else json.dumps(request).encode()
    signed = {"x-amz-target": target, "authorization": SIGNED, "content-type": "application/x-amz-json-1.0"}
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        answer = await client.post(url, content=content, headers=signed if headers is None else headers)
    return answer.status_code, answer.json()
