"""Kinds of tensor files, recognised by their first bytes."""

from __future__ import annotations

KIND_BYTES = 128
"""Bytes that identify the kind of a file."""

NPZ = "an archive of NumPy (.npz)"
ZIP = "a ZIP archive"

_ZIP_MAGIC = b"PK\x03\x04"
# PKZIP's APPNOTE.TXT, 4.3.7: positions of a file name's length and of the name.
_ZIP_NAME_LENGTH = slice(26, 28)
_ZIP_NAME = 30
# The opcode PROTO, and the protocols that write it.
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def kind_of(first: bytes) -> str | None:
    """The kind of a file, as a message names it.

    Args:
        first: Its first `KIND_BYTES` bytes, or all of them.

    Returns:
        None for a safetensors file, and for an unknown kind.
    """
    if first.startswith(b"\x93NUMPY"):
        return "an array of NumPy (.npy)"
    if first.startswith(b"GGUF"):
        return "a model in GGUF (.gguf)"
    # A safetensors file may begin with the same bytes, because they are the length of
    # its header. The upper half of that length is 0.
    if first.startswith(_PICKLES) and any(first[4:8]):
        return "a pickle of Python, as old .pt files are"
    if not first.startswith(_ZIP_MAGIC):
        return None
    length = int.from_bytes(first[_ZIP_NAME_LENGTH], "little")
    name = first[_ZIP_NAME : _ZIP_NAME + length]
    if name.endswith(b".npy"):
        return NPZ
    return "a file of PyTorch (.pt)" if b"/" in name else ZIP
