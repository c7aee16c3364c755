"""Numbers of answers have their declared types and exact bits."""

from __future__ import annotations

import itertools
import json
import math
import types
from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NotRequired,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np
import pytest

from lossmeter import Client, NonFiniteLossError, StepEvent
from lossmeter.schemas import (
    Diagnosis,
    Diagnostics,
    Info,
    LogprobComparison,
    Metrics,
    RowCounts,
    RunSummary,
    StepDetail,
    StepPoint,
)
from lossmeter.typed import convert

if TYPE_CHECKING:
    from lossmeter import Evaluation

WHOLE = 7.7899148223310176e16
"""JavaScript writes it as 77899148223310180, which Python reads as that integer."""


class Inner(TypedDict):
    loss: float
    row: int


class Outer(TypedDict):
    losses: list[float]
    inner: NotRequired[Inner]
    others: list[Inner]
    labels: Mapping[str, str | float | bool]
    kind: Literal["NaN", "x"]
    name: str
    flag: bool


def test_floats_become_floats_and_integers_stay_integers() -> None:
    text = """{"losses": [1, 77899148223310180, "NaN", "-Infinity", 0.5, 1e300],
      "inner": {"loss": 3, "row": 3}, "others": [{"loss": "Infinity", "row": 0}],
      "labels": {"name": "NaN", "layers": 12, "rate": 1.5, "seed": 77899148223310180,
      "on": true}, "kind": "NaN", "name": "Infinity", "flag": true}"""

    got = convert(json.loads(text), Outer)

    assert repr(got) == repr(
        {
            "losses": [1.0, WHOLE, math.nan, -math.inf, 0.5, 1e300],
            "inner": {"loss": 3.0, "row": 3},
            "others": [{"loss": math.inf, "row": 0}],
            "labels": {
                "name": "NaN",
                "layers": 12,
                "rate": 1.5,
                "seed": WHOLE,
                "on": True,
            },
            "kind": "NaN",
            "name": "Infinity",
            "flag": True,
        }
    )


def test_what_is_not_declared_stays_as_it_came() -> None:
    given = {"loss": "odd", "row": "odd", "new": {"loss": 1, "text": "NaN"}}
    assert convert(given, Inner) == given
    assert convert([given], Inner) == [given]
    assert convert(7, Inner) == 7
    assert convert({"losses": 3, "labels": [1]}, Outer) == {"losses": 3, "labels": [1]}
    assert convert(True, float) is True


def undeclared(value: object, declared: Any, at: str) -> list[str]:  # noqa: ANN401
    """The places of a value whose types are not the declared ones."""
    origin, arguments = get_origin(declared), get_args(declared)
    if is_typeddict(declared):
        assert isinstance(value, dict)
        hints = get_type_hints(declared)
        assert set(value) <= set(hints), at
        inner = [(value[n], hints[n], f"{at}.{n}") for n in value]
    elif origin is list:
        assert isinstance(value, list)
        inner = [(item, arguments[0], f"{at}[{k}]") for k, item in enumerate(value)]
    elif origin is Mapping:
        assert isinstance(value, dict)
        inner = [(item, arguments[1], f"{at}.{key}") for key, item in value.items()]
    elif origin is Literal:
        return [] if value in arguments else [at]
    elif origin in {Union, types.UnionType}:
        return [] if type(value) in {*arguments, int} else [at]
    else:
        return [] if type(value) is declared else [f"{at}: {value!r} of {declared}"]
    return list(itertools.chain.from_iterable(undeclared(*one) for one in inner))


def undeclared_in(evaluation: Evaluation) -> list[str]:
    numbers = ("loss", "numerator", "denominator", "z_loss", "mean_nll")
    return [
        *(n for n in numbers if type(getattr(evaluation, n)) is not float),
        *undeclared(evaluation.rows, RowCounts, "rows"),
        *undeclared(evaluation.metrics, Metrics, "metrics"),
        *undeclared(evaluation.diagnostics, Diagnostics, "diagnostics"),
    ]


WHOLE_BATCH: dict[str, Any] = {
    # One class: every loss, norm, entropy and metric is a whole number.
    "logits": np.full((4, 1), 16.0, np.float16),
    "label": [0, 0, 0, 0],
    "input_mask": [1, 2, 1, 0],
}
EVERYTHING: dict[str, Any] = {
    "check_for_nan_in_loss_and_grad": True,
    "lse_square_scale": 1.0,
    "parallel_config": {"data_parallel": 2},
    "metrics": ["accuracy", "top5_accuracy", "mean_entropy", "ece"],
}


def test_every_number_of_an_evaluation_is_of_its_type(client: Client) -> None:
    evaluation = client.cross_entropy(**WHOLE_BATCH, **EVERYTHING)
    assert (evaluation.z_loss, evaluation.metrics["perplexity"]) == (1024, 1)
    assert undeclared_in(evaluation) == []
    assert undeclared_in(client.cross_entropy(np.zeros((0, 2)), np.zeros(0, int))) == []
    spoilt = np.array([[np.nan, 1.0], [np.inf, 2.0], [-np.inf, -np.inf]], np.float16)
    assert undeclared_in(client.cross_entropy(spoilt, [0, 0, 0])) == []


def test_every_number_of_a_diagnosis_is_of_its_type(client: Client) -> None:
    logits = np.array([[3.0, 4.0], [0.0, np.inf], [0.0, 0.0]], np.float16)
    assert undeclared(client.diagnose(logits), Diagnosis, "diagnosis") == []
    assert undeclared(client.info(), Info, "info") == []


def test_every_number_of_a_comparison_is_of_its_type(client: Client) -> None:
    for old, new in [([-1.0, 0.0], [-1.0, 0.0]), ([-800.0], [0.0]), ([], [])]:
        comparison = client.compare_logprobs(old, new)
        assert undeclared(comparison, LogprobComparison, "comparison") == []
    assert type(client.compare_logprobs([-1.0], [-1.0])["k3"]) is float


def test_every_number_of_a_problem_is_of_its_type(client: Client) -> None:
    logits = np.array([[np.nan, 1.0]], np.float16)
    with pytest.raises(NonFiniteLossError) as refused:
        client.cross_entropy(
            logits,
            [0],
            on_non_finite="reject",
            **EVERYTHING | {"parallel_config": None},
        )
    assert undeclared(refused.value.diagnostics, Diagnostics, "diagnostics") == []


def test_every_number_of_a_run_is_of_its_type_and_exact(client: Client) -> None:
    run = client.run("whole-numbers")
    run.describe(expected_ranks=2, labels={"layers": 12, "seed": WHOLE, "text": "NaN"})
    run.record(1, 0, **WHOLE_BATCH)
    run.record(1, 1, np.array([[np.nan, 1.0]], np.float16), [0])
    pair = run.record_pair(2, 0, numerator=WHOLE, denominator=1)
    run.record_pair(2, 1, numerator=0, denominator=0)
    run.record_pair(3, 0, numerator=2, denominator=2)

    assert repr((pair.loss, pair.numerator, pair.denominator)) == repr(
        (WHOLE, WHOLE, 1.0)
    )
    points = run.steps()
    assert repr(points[1]["loss"]) == repr(WHOLE)
    assert undeclared(points, list[StepPoint], "steps") == []
    assert undeclared(run.steps(max_points=4), list[StepPoint], "steps") == []
    details = [run.step(step) for step in (1, 2, 3)]
    assert undeclared(details, list[StepDetail], "details") == []
    summary = run.summary()
    assert repr(summary["sparkline"]) == repr([WHOLE, 1.0])
    assert repr(summary["labels"]) == repr({"layers": 12, "seed": WHOLE, "text": "NaN"})
    assert undeclared(summary, RunSummary, "run") == []
    assert undeclared([*client.runs()], list[RunSummary], "runs") == []
    events = [*itertools.islice(run.watch(after=0), 3)]
    steps = [event.step for event in events if isinstance(event, StepEvent)]
    assert len(steps) > 1
    assert undeclared(steps, list[StepPoint], "events") == []
