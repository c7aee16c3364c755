"""The example batch has the loss that numpy computes from it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from reference import row_losses
from service import ROOT, Service

EXAMPLES = ROOT / "examples"
NUMPY_DTYPES = {"I64": "<i8", "BOOL": "?", "F32": "<f4"}


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """By hand, so that no library stands between the file and the reference."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        elements = np.frombuffer(
            content[begin + first : begin + end], NUMPY_DTYPES[entry["dtype"]]
        )
        tensors[name] = elements.reshape(entry["shape"])
    return tensors


def test_the_example_batch_has_the_loss_of_float64_arithmetic(
    service: Service,
) -> None:
    batch = read_safetensors(EXAMPLES / "char-lm.safetensors")
    mask = batch["input_mask"].astype(np.float64)
    numerator = (mask * row_losses(batch["logits"], batch["label"])).sum()
    denominator = mask.sum()

    response = requests.post(
        f"{service.url}/v1/cross-entropy",
        data=(EXAMPLES / "char-lm.msgpack").read_bytes(),
        headers={"Content-Type": "application/vnd.msgpack"},
        timeout=10,
    )

    assert response.status_code == 200, response.text
    answer = response.json()
    loss = numerator / (denominator + 1e-8)
    assert answer["loss"] == pytest.approx(loss, rel=0, abs=2e-6)
    # The same bound, for every counted row.
    bound = 2e-6 * denominator
    assert answer["numerator"] == pytest.approx(numerator, rel=0, abs=bound)
    assert answer["denominator"] == denominator
