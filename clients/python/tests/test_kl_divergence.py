"""The client compares two sets of logits, in one request and in several."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any, Literal

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from service import ROOT, running_service
from torch.nn import functional

from lossmeter import Client, Comparison, NonFiniteLossError, ProblemError
from lossmeter.aio import AsyncClient

if TYPE_CHECKING:
    from pathlib import Path

    from service import Service

    from lossmeter.schemas import ComparisonOptions

ROWS, CLASSES, K = 230, 97, 5
LLAMA_KLD = ROOT / "test/fixtures/llama-kld"
Arrays = dict[str, Any]


def draw(shape: tuple[int, ...] = (ROWS, CLASSES), seed: int = 0) -> Arrays:
    """Two similar sets of logits, with labels and a mask that has some zeros."""
    random = np.random.default_rng(seed)
    reference = (3 * random.standard_normal(shape)).astype(np.float32)
    noise = random.standard_normal(shape) * random.random((*shape[:-1], 1))
    label = random.integers(0, shape[-1], shape[:-1])
    label[..., 3] = -100
    return {
        "reference": reference,
        "logits": (reference + 0.3 * noise).astype(np.float32),
        "label": label,
        "input_mask": random.choice([0.0, 0.5, 1.0, 2.25], shape[:-1]),
    }


def top(reference: np.ndarray[Any, Any]) -> Arrays:
    """The top K of each row."""
    tensor = torch.log_softmax(torch.tensor(reference).double(), -1).topk(K)
    return {"indices": tensor.indices.numpy(), "logprobs": tensor.values.numpy()}


def as_dict(of: Comparison) -> dict[str, Any]:
    answer = dataclasses.asdict(of)
    del answer["outputs"]
    return answer


def assert_equal(split: Comparison, whole: Comparison) -> None:
    """Asserts equal bits, except in perplexities: V8 rounds exp differently."""
    one, other = as_dict(split), as_dict(whole)
    assert_close(one.pop("perplexity"), other.pop("perplexity"))
    assert one == other
    assert set(split.outputs) == set(whole.outputs)
    for name, array in whole.outputs.items():
        assert split.outputs[name].dtype == array.dtype
        np.testing.assert_array_equal(split.outputs[name], array, name)


def assert_close(one: object, other: object) -> None:
    """Compares nested numbers; the error of a difference has fewer digits."""
    if isinstance(one, dict):
        assert isinstance(other, dict)
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key])
    elif one is None:
        assert other is None
    else:
        assert one == pytest.approx(other, rel=1e-13, abs=0)


ALL = ["kl_divergence", "nll", "reference_nll", "top1_agreement", "gradient"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"outputs": [*ALL, "probability_difference"]},
        {"direction": "reverse", "reduction": "sum", "outputs": ["gradient"]},
        {"direction": "jensen_shannon", "beta": 0.3, "semantics": "torch"},
        {"semantics": "megatron", "outputs": ["gradient"], "worst_rows": 40},
        {"reduction": "none", "logit_scale": 0.5, "ignore_index": [-100, 1, 2, 3]},
        {"reference_floor": 3, "outputs": ["kl_divergence", "gradient"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_several_requests_have_the_answer_of_one(
    client: Client, options: ComparisonOptions, rows: int
) -> None:
    arrays = draw()
    if rows == 1:
        arrays = {name: array[:30] for name, array in arrays.items()}
    whole = client.kl_divergence(**arrays, **options)
    split = client.kl_divergence(**arrays, rows_per_request=rows, **options)

    assert whole.rows["counted"] > 10
    assert_equal(split, whole)


@pytest.mark.parametrize("tail", ["bucket", "drop"])
def test_a_top_k_is_divided_too(
    client: Client, tail: Literal["bucket", "drop"]
) -> None:
    arrays = draw()
    arrays["reference"] = top(arrays["reference"])
    options: ComparisonOptions = {
        "tail": tail,
        "outputs": ["kl_divergence", "gradient"],
    }
    whole = client.kl_divergence(**arrays, **options)

    assert_equal(client.kl_divergence(**arrays, rows_per_request=50, **options), whole)
    assert whole.diagnostics["truncated"] == (tail == "drop")


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("shift", [0, 1, 3, 9])
def test_sequences_are_divided_with_their_shift(
    client: Client, shift: int, masked: bool, labelled: bool
) -> None:
    arrays = draw((4, 9, 33))
    if not labelled:
        del arrays["label"]
    if not masked:
        del arrays["input_mask"]
    options: ComparisonOptions = {
        "shift": shift,
        "outputs": ["kl_divergence", "gradient"],
    }
    whole = client.kl_divergence(**arrays, **options)

    assert_equal(client.kl_divergence(**arrays, rows_per_request=5, **options), whole)
    assert whole.outputs["kl_divergence"].shape == (4, 9 - shift)


def without_hints(value: object) -> object:
    """Removes hints, which have no counts in a divided comparison."""
    if not isinstance(value, dict):
        return value
    return {key: without_hints(inner) for key, inner in value.items() if key != "hint"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_values_that_are_not_finite_are_reported_alike(
    client: Client, dtype: str
) -> None:
    arrays = draw()
    for side in ("reference", "logits"):
        kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
        arrays[side] = arrays[side].astype(kind)
    arrays["input_mask"][:] = 1
    arrays["input_mask"][60] = 0
    arrays["logits"][60, 1] = np.nan
    arrays["reference"][90, 2] = np.nan
    arrays["logits"][[80, 120], 3] = -np.inf
    arrays["reference"][150, 4] = np.inf
    whole = client.kl_divergence(**arrays)
    split = client.kl_divergence(**arrays, rows_per_request=50)

    assert not whole.is_finite
    assert without_hints(as_dict(split)["diagnostics"]) == without_hints(
        as_dict(whole)["diagnostics"]
    )
    assert split.summary == whole.summary
    assert split.worst_rows == whole.worst_rows
    assert split.kl_divergence["percentiles"] == whole.kl_divergence["percentiles"]
    errors = []
    for rows in (None, 50):
        with pytest.raises(NonFiniteLossError, match="the numerator is NaN") as one:
            client.kl_divergence(
                **arrays, rows_per_request=rows, on_non_finite="reject"
            )
        errors.append(one.value)
    assert str(errors[1]) == str(errors[0])
    assert errors[1].problem["diagnostics"]["causes"] == split.diagnostics["causes"]


def test_the_scalars_of_a_step_are_its_numbers(client: Client) -> None:
    reference, logits = np.eye(4), np.eye(4)[:, ::-1].copy()

    with_labels = client.kl_divergence(reference, logits, label=np.arange(4))
    without = client.kl_divergence(reference, logits)
    none = client.kl_divergence(reference, logits, input_mask=np.zeros(4))

    assert with_labels.perplexity is not None
    assert with_labels.scalars == {
        "kl_divergence": with_labels.kl_divergence["mean"],
        "top1_agreement": 0,
        "perplexity_ratio": with_labels.perplexity["ratio"]["value"],
    }
    assert set(without.scalars) == {"kl_divergence", "top1_agreement"}
    assert none.scalars == {}


def test_nothing_counted_is_divided_too(client: Client) -> None:
    arrays = draw()
    arrays["input_mask"][:] = 0
    for semantics in ("mindformers", "megatron"):
        whole = client.kl_divergence(**arrays, semantics=semantics)
        split = client.kl_divergence(**arrays, semantics=semantics, rows_per_request=60)
        assert_equal(split, whole)
    nothing = client.kl_divergence(**arrays, semantics="torch", rows_per_request=60)
    assert nothing.loss is not None
    assert math.isnan(nothing.loss)


def test_pytorch_has_the_same_divergence(client: Client) -> None:
    arrays = draw()
    mask = torch.tensor(arrays["input_mask"])
    p, q = (
        torch.log_softmax(torch.tensor(arrays[side]).double(), -1)
        for side in ("reference", "logits")
    )
    rows = functional.kl_div(q, p, reduction="none", log_target=True).sum(-1)
    counted = mask * torch.tensor(arrays["label"] != -100)
    expected = float((counted * rows).sum() / counted.sum())

    for rows_per_request in (None, 64):
        answer = client.kl_divergence(**arrays, rows_per_request=rows_per_request)
        assert answer.kl_divergence["mean"] == pytest.approx(expected, rel=2e-6)


async def test_the_asynchronous_twin_divides_too(
    service: Service, client: Client
) -> None:
    arrays = draw()
    async with AsyncClient(service.url) as twin:
        split = await twin.kl_divergence(**arrays, rows_per_request=90)
    assert_equal(split, client.kl_divergence(**arrays))


def test_the_limits_of_a_service_divide_the_rows(
    client: Client, tmp_path: Path
) -> None:
    arrays = draw((600, 2000))
    outputs: Any = ["kl_divergence", "gradient"]
    settings = {"LOSSMETER_MAX_BYTES_IN_FLIGHT": str(2**22)}
    with running_service(tmp_path / "log", settings) as small, Client(small.url) as of:
        with pytest.raises(ProblemError, match="body_too_large"):
            of.kl_divergence(**arrays, rows_per_request=600, outputs=outputs)
        split = of.kl_divergence(**arrays, outputs=outputs)
    whole = client.kl_divergence(**arrays, outputs=outputs)

    assert_equal(split, whole)


def test_a_reference_may_stand_in_a_file_of_the_service(tmp_path: Path) -> None:
    arrays = draw()
    folder = tmp_path / "data"
    folder.mkdir()
    tensors = {"base": arrays["reference"], "near": arrays["logits"]}
    save_file(tensors, folder / "base.safetensors")
    base = {"file": "base.safetensors", "tensor": "base"}
    near = {"file": "base.safetensors", "tensor": "near"}
    settings = {"LOSSMETER_DATA_DIR": str(folder)}
    with running_service(tmp_path / "log", settings) as own, Client(own.url) as of:
        whole = of.kl_divergence(**arrays, shift=1)
        assert of.kl_divergence(**arrays | {"reference": base}, shift=1) == whole
        assert of.kl_divergence(**arrays | {"logits": near}, shift=1) == whole
        both = arrays | {"reference": base, "logits": near}
        assert of.kl_divergence(**both, shift=1) == whole
        top_k = arrays | {"reference": top(arrays["reference"])}
        assert of.kl_divergence(**top_k | {"logits": near}) == of.kl_divergence(**top_k)


def test_a_reference_may_be_a_logit_file_of_llama_cpp(tmp_path: Path) -> None:
    near = load_file(LLAMA_KLD / "near.safetensors")
    settings = {"LOSSMETER_DATA_DIR": str(LLAMA_KLD)}
    with running_service(tmp_path / "log", settings) as own, Client(own.url) as of:
        compared = of.kl_divergence({"kld_file": "base.kld"}, near["logits"])

    # As llama-perplexity printed it: test/fixtures/llama-kld/near.table.txt.
    assert compared.kl_divergence["mean"] == pytest.approx(0.001111, abs=1e-6)
    # Its labels are those of the file.
    assert compared.perplexity is not None
    assert compared.perplexity["reference"]["value"] == pytest.approx(569.003503)


def test_references_that_are_none_are_refused(client: Client) -> None:
    logits = np.zeros((2, 4), np.float32)
    with pytest.raises(ValueError, match=r"mapping of \['values'\], expected an array"):
        client.kl_divergence({"values": logits}, logits)
    with pytest.raises(ValueError, match="rows_per_request is 0, expected 1 or more"):
        client.kl_divergence(logits, logits, rows_per_request=0)
    with pytest.raises(ProblemError, match=r"reference has shape \(2, 3\)"):
        client.kl_divergence(logits[:, :3], logits, rows_per_request=1)
    with pytest.raises(ProblemError, match="did you mean logit_scale"):
        client.kl_divergence(logits, logits, temperature=2)  # type: ignore[call-arg]


def test_equal_sides_have_a_divergence_of_0(client: Client) -> None:
    logits = draw()["logits"]
    comparison = client.kl_divergence(logits, logits, rows_per_request=100)

    assert (comparison.loss, comparison.kl_divergence["max"]) == (0, 0)
    assert comparison.top1_agreement == {"fraction": 1, "standard_error": 0}
    assert (comparison.perplexity, comparison.probability_difference) == (None, None)
    assert str(comparison) == (
        "divergence 0 ± 0 over 230 of 230 rows: the divergence is finite"
    )


def test_a_comparison_has_the_fields_of_the_services_answer() -> None:
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    reply = document["components"]["schemas"]["Comparison"]

    fields = {field.name for field in dataclasses.fields(Comparison)}
    assert fields == set(reply["properties"])
