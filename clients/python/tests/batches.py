"""Batches whose loss is known, by hand or from PyTorch in float64."""

from __future__ import annotations

import numpy as np

KNOWN_LOGITS = np.array(
    [
        [-0.438346, 0.582246, 0.842038, -0.591126, 0.590775],
        [-0.968004, 0.189337, 0.982326, 0.374514, 0.851041],
        [0.269876, 0.195891, 0.748780, -0.056748, 0.263205],
    ]
)
KNOWN_LABEL = np.array([1, 4, 0])
KNOWN_LOSS = {"float64": 1.42499712, "float32": 1.42499710, "float16": 1.42508487}
"""To 1e-8, by the dtype that the logits are rounded to."""

# A confident, wrong row: its loss is about 72 − 5.
CONFIDENT_LOGITS = np.array([[3, 5, 6, 9, 12, 33, 42, 12, 32, 72]], np.float32)
CONFIDENT_LABEL = np.array([1])
CONFIDENT_LOSS = 66.99999933


def large_logits(megabytes: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Zero logits of this many MiB and 1024 classes: their loss is ln 1024."""
    return np.zeros((256 * megabytes, 1024), np.float32)
