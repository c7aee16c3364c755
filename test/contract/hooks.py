"""What Schemathesis has to know of the service beside its document."""

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
