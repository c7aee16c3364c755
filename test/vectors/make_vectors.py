"""Make the known-answer vectors beside this script, by PyTorch in float64 on the CPU.

    pip install torch numpy
    python make_vectors.py
    npm run format

Stops when an expected value differs from that of another implementation (peers.py).
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from cases import FILES
from formulas import Case, Evaluation, evaluate
from peers import Agreement
from torch import Tensor

# Losses known from elsewhere, to the eighth decimal.
KNOWN_LOSSES = {
    "known batch": 1.42499712,
    "known batch, float32": 1.42499710,
    "known batch, float16": 1.42508487,
    "known row, semantics torch": 67,
    "known row, semantics mindformers": 66.99999933,
}


def plain(value: Any) -> Any:
    """What JSON can hold: no tensors, no non-finite numbers, no -0.0."""
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if not isinstance(value, float):
        return value
    if math.isfinite(value):
        return value + 0.0
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def null_if_negative(value: Any) -> Any:
    """Class indices, with null where there is none."""
    if isinstance(value, list):
        return [null_if_negative(entry) for entry in value]
    return None if value < 0 else value


def record(case: Case, result: Evaluation) -> dict[str, Any]:
    no_loss = case.reduction == "none"
    expected = {
        "loss": None if no_loss else result.final,
        "numerator": result.numerator,
        "denominator": result.denominator,
        "z_loss": result.z_loss if "lse_square_scale" in case.options else None,
        "per_token_loss": result.per_token_loss,
        "lse": result.lse,
        "gradient": result.gradient,
        "gradient_norm": torch.linalg.vector_norm(result.gradient),
        "entropy": result.entropy,
    }
    indices = {"predictions": result.predictions, "target_rank": result.target_rank}
    fields = {
        "name": case.name,
        "dtype": case.dtype,
        "logits": case.logits,
        "label": case.label,
        "input_mask": case.mask,
        "weight": case.weight,
        "options": case.options,
        "expected": {k: plain(v) for k, v in expected.items() if v is not None}
        | {k: null_if_negative(plain(v)) for k, v in indices.items() if v is not None},
    }
    return {name: plain(value) for name, value in fields.items() if value is not None}


def main() -> None:
    torch.set_num_threads(1)
    agreement = Agreement()
    for file, cases in FILES.items():
        records: dict[str, dict[str, Any]] = {}
        for case in cases():
            result = evaluate(case)
            agreement.check(case, result)
            known = KNOWN_LOSSES.get(case.name)
            assert known is None or abs(result.final.item() - known) < 5.1e-9, case.name
            assert case.name not in records, case.name
            records[case.name] = record(case, result)
        path = Path(__file__).with_name(f"{file}.json")
        text = json.dumps(list(records.values()), allow_nan=False)
        path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {len(records)} cases")
    print(
        f"torch {torch.__version__}, largest difference {agreement.largest_difference:.1e}"
    )
    for peer, count in agreement.cases_by_peer.items():
        print(f"  {peer}: {count} cases")


if __name__ == "__main__":
    main()
