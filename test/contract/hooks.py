"""What Schemathesis has to know of the service beside its document."""

import json
from typing import Any

import msgpack
import schemathesis


@schemathesis.serializer(
    "application/vnd.msgpack", "application/msgpack", "application/x-msgpack"
)
def pack(_context: object, value: object) -> bytes:
    """MessagePack has integers of 64 bits: others go as floats."""
    packed: bytes = msgpack.packb(value, default=str, use_bin_type=True)
    return packed


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def write_line(_context: object, value: object) -> bytes:
    """A line of JSON: the schema of lines is that of one of them."""
    return json.dumps(value).encode()
