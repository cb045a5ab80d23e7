"""Smithy's RPC protocol with CBOR, which boto3 uses for CloudWatch, and an encoder for the part of CBOR that it needs (RFC 8949)."""

import struct
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from slipway.simulator.contract import SERVICES, AwsError, find_operation

if TYPE_CHECKING:
    from botocore.model import OperationModel

PATH = "/service/{service}/operation/{operation}"
_NAME = "rpc-v2-cbor"
_EPOCH = 1  # the tag of a timestamp


class CborProtocol:
    """One request in CBOR. `requested` is the operation name that the client sent."""

    def __init__(self, request: Request, content: bytes) -> None:
        _, _, service, _, name = request.scope["path"].split("/")
        self._content = content
        self.requested = f"{service}.{name}"
        self.operation = find_operation(SERVICES, name, "targetPrefix", service)

    def parameters(self, _operation: "OperationModel") -> Any:
        """Decode the body. Raise AwsError when it is not CBOR."""
        from botocore.parsers import ResponseParserError

        try:
            return decode(self._content) if self._content else {}
        # invalid keys and sizes raise these, too
        except (ResponseParserError, ValueError, TypeError, OverflowError, MemoryError) as error:
            raise AwsError("SerializationException", str(error)) from error

    def answer(self, _operation: "OperationModel", answer: Mapping[str, Any]) -> Response:
        return _response(answer, 200)

    def error(self, error: AwsError) -> Response:
        return _response({"__type": error.code, "message": error.message}, error.status)


def _response(content: Mapping[str, Any], status: int) -> Response:
    return Response(encode(content), status, {"smithy-protocol": _NAME}, "application/cbor")


def encode(value: Any) -> bytes:
    """Encode data. Fields with None are left out."""
    match value:
        case Mapping():
            members = [encode(key) + encode(item) for key, item in value.items() if item is not None]
            return _head(5, len(members)) + b"".join(members)
        case list() | tuple():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case datetime():
            return _head(6, _EPOCH) + encode(value.timestamp())
        case _:
            return _scalar(value)


def _scalar(value: Any) -> bytes:
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case bytes():
            return _head(2, len(value)) + value
        case _:
            text = str(value).encode()
            return _head(3, len(text)) + text


def _head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    length = 1 << max(0, ((size.bit_length() + 7) // 8 - 1).bit_length())
    return bytes([kind << 5 | 24 + length.bit_length() - 1]) + size.to_bytes(length, "big")


def decode(content: bytes) -> Any:
    """Decode one value with botocore's decoder. A timestamp becomes its number of seconds, and null fields are left out."""
    from botocore.parsers import BaseCBORParser

    parser = BaseCBORParser(timestamp_parser=lambda seconds: seconds)
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(content))
