"""The client evaluates batches through the service."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
import torch
from batches import (
    CONFIDENT_LABEL,
    CONFIDENT_LOGITS,
    CONFIDENT_LOSS,
    KNOWN_LABEL,
    KNOWN_LOGITS,
    KNOWN_LOSS,
    large_logits,
)
from relay import Answer, Relay
from service import ROOT, running_service

import lossmeter
from lossmeter import (
    Client,
    LossmeterError,
    NonFiniteLossError,
    ProblemError,
    UnexpectedAnswerError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Unpack

    from numpy.typing import ArrayLike, NDArray
    from service import Service

    from lossmeter.run_fields import RunFilters
    from lossmeter.schemas import Options


def row_losses(logits: NDArray[Any], label: NDArray[Any]) -> NDArray[np.float64]:
    """−log softmax at the labels, in float64."""
    wide = logits.astype(np.float64)
    lse = np.log(np.exp(wide).sum(-1))
    losses: NDArray[np.float64] = (
        lse - np.take_along_axis(wide, label[:, None], 1)[:, 0]
    )
    return losses


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    exponentials = np.exp(logits.astype(np.float64))
    shares: NDArray[np.float64] = exponentials / exponentials.sum(-1, keepdims=True)
    return shares


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_the_known_batch_has_its_known_loss(client: Client, dtype: str) -> None:
    evaluation = client.cross_entropy(KNOWN_LOGITS.astype(dtype), KNOWN_LABEL)

    assert evaluation.loss == pytest.approx(KNOWN_LOSS[dtype], rel=0, abs=1e-6)
    assert evaluation.denominator == 3
    assert evaluation.rows == {"total": 3, "counted": 3, "ignored": 0, "masked": 0}
    assert evaluation.is_finite
    assert evaluation.outputs == {}


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_dtypes_that_numpy_lacks_are_evaluated_as_what_they_are(
    client: Client, dtype: str
) -> None:
    logits = KNOWN_LOGITS.astype(getattr(ml_dtypes, dtype))
    expected = row_losses(logits.astype(np.float64), KNOWN_LABEL).sum()

    for given in (logits, torch.tensor(KNOWN_LOGITS, dtype=getattr(torch, dtype))):
        evaluation = client.cross_entropy(given, KNOWN_LABEL)
        assert evaluation.numerator == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(
    ("options", "loss"),
    [
        ({}, CONFIDENT_LOSS),
        ({"semantics": "torch"}, 67),
        ({"semantics": "megatron", "reduction": "sum"}, 67),
        ({"logit_scale": 0.5, "semantics": "torch"}, 33.5),
        ({"label_smoothing": 0.1, "semantics": "torch"}, 0.9 * 67 + 0.1 * 49.4),
        ({"lse_square_scale": 1e-4, "semantics": "torch"}, 67 + 1e-4 * 72**2),
    ],
    ids=str,
)
def test_options_say_how_the_loss_is_formed(
    client: Client, options: Options, loss: float
) -> None:
    evaluation = client.cross_entropy(CONFIDENT_LOGITS, CONFIDENT_LABEL, **options)

    assert evaluation.loss == pytest.approx(loss, rel=0, abs=2e-6)


def test_an_option_that_is_none_is_the_default(client: Client) -> None:
    options: dict[str, Any] = {"softcap": None, "ignore_index": None, "outputs": None}

    evaluation = client.cross_entropy(CONFIDENT_LOGITS, CONFIDENT_LABEL, **options)

    assert evaluation.loss == pytest.approx(CONFIDENT_LOSS, abs=5e-9)


@pytest.mark.parametrize(
    ("options", "plain"),
    [
        ({"logit_scale": np.float32(0.5)}, {"logit_scale": 0.5}),
        ({"ignore_index": np.int64(4)}, {"ignore_index": 4}),
        ({"ignore_index": np.array([0, 4])}, {"ignore_index": [0, 4]}),
        (
            {"check_for_nan_in_loss_and_grad": np.bool_(True)},
            {"check_for_nan_in_loss_and_grad": True},
        ),
        (
            {"parallel_config": {"data_parallel": np.int32(3)}},
            {"parallel_config": {"data_parallel": 3}},
        ),
    ],
    ids=str,
)
def test_options_may_be_numbers_of_numpy(
    client: Client, options: dict[str, Any], plain: dict[str, Any]
) -> None:
    given = client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL, **options)
    expected = client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL, **plain)

    assert dataclasses.replace(given, outputs={}) == expected


def test_outputs_are_arrays_that_can_be_written(client: Client) -> None:
    logits = KNOWN_LOGITS.astype(np.float32)

    got = client.cross_entropy(
        logits,
        KNOWN_LABEL,
        outputs=[
            *("per_token_loss", "lse", "gradient"),
            *("predictions", "target_rank", "entropy"),
        ],
        semantics="torch",
    ).outputs

    assert len(got) == 6
    losses = row_losses(logits, KNOWN_LABEL)
    np.testing.assert_allclose(got["per_token_loss"], losses, atol=2e-6)
    shares = softmax(logits)
    np.testing.assert_allclose(got["lse"], np.log(np.exp(logits).sum(-1)), atol=2e-6)
    np.testing.assert_allclose(got["entropy"], -(shares * np.log(shares)).sum(-1))
    assert got["predictions"].tolist() == logits.argmax(-1).tolist()
    assert got["target_rank"].tolist() == [2, 1, 1]
    expected = (shares - np.eye(5)[KNOWN_LABEL]) / 3
    np.testing.assert_allclose(got["gradient"], expected, atol=1e-7)
    for name, array in got.items():
        wide = {"predictions": "int32", "target_rank": "int32", "gradient": "float32"}
        assert array.dtype == wide.get(name, "float64")
        assert array.flags.aligned
        array[...] = 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_the_gradient_has_the_dtype_of_the_logits(client: Client, dtype: str) -> None:
    logits = KNOWN_LOGITS.astype(getattr(ml_dtypes, dtype, dtype))

    (gradient,) = client.cross_entropy(
        logits, KNOWN_LABEL, outputs=["gradient"], semantics="torch"
    ).outputs.values()

    assert gradient.dtype == logits.dtype
    expected = (softmax(logits) - np.eye(5)[KNOWN_LABEL]) / 3
    np.testing.assert_allclose(gradient.astype(float), expected, atol=2**-9)


def test_the_gradient_of_16_bit_logits_can_be_float32(client: Client) -> None:
    logits = KNOWN_LOGITS.astype(np.float16)

    (gradient,) = client.cross_entropy(
        logits, KNOWN_LABEL, outputs=["gradient"], gradient_dtype="float32"
    ).outputs.values()

    assert gradient.dtype == np.float32


def test_without_a_reduction_there_are_losses_and_no_loss(client: Client) -> None:
    evaluation = client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL, reduction="none")

    assert evaluation.loss is None
    assert str(evaluation).startswith("no loss over 3 of 3 rows: ")
    losses = evaluation.outputs["per_token_loss"]
    np.testing.assert_allclose(losses, row_losses(KNOWN_LOGITS, KNOWN_LABEL))


def test_logits_may_have_leading_axes(client: Client) -> None:
    logits = np.stack([KNOWN_LOGITS, KNOWN_LOGITS[::-1]])
    label = np.stack([KNOWN_LABEL, KNOWN_LABEL[::-1]])

    evaluation = client.cross_entropy(logits, label, outputs=["lse", "gradient"])

    assert evaluation.loss == pytest.approx(KNOWN_LOSS["float64"], abs=1e-8)
    assert evaluation.outputs["lse"].shape == (2, 3)
    assert evaluation.outputs["gradient"].shape == (2, 3, 5)


@pytest.mark.parametrize("mask", [[1, 0, 2], np.array([1, 0, 2]), [1.0, 0.0, 2.0]])
def test_a_mask_weighs_rows_and_leaves_those_of_0_out(
    client: Client, mask: ArrayLike
) -> None:
    losses = row_losses(KNOWN_LOGITS, KNOWN_LABEL)

    evaluation = client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL, mask)

    assert evaluation.numerator == pytest.approx(losses[0] + 2 * losses[2])
    assert evaluation.denominator == 3
    assert evaluation.rows["masked"] == 1


def test_weights_are_those_of_the_classes(client: Client) -> None:
    weight = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    losses = row_losses(KNOWN_LOGITS, KNOWN_LABEL)

    evaluation = client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL, weight=weight)

    assert evaluation.numerator == pytest.approx((losses * [1, 3, 0.5]).sum())
    assert evaluation.denominator == 4.5


def test_labels_may_be_probabilities(client: Client) -> None:
    probabilities = np.full((3, 5), 0.2)

    evaluation = client.cross_entropy(KNOWN_LOGITS, probabilities)

    expected = (np.log(np.exp(KNOWN_LOGITS).sum(-1)) - KNOWN_LOGITS.mean(-1)).sum()
    assert evaluation.numerator == pytest.approx(expected)


def test_metrics_are_those_that_were_asked_for(client: Client) -> None:
    evaluation = client.cross_entropy(
        KNOWN_LOGITS, KNOWN_LABEL, metrics=["accuracy", "top5_accuracy"]
    )

    assert evaluation.metrics == {
        "perplexity": pytest.approx(math.exp(KNOWN_LOSS["float64"])),
        "bits_per_token": pytest.approx(KNOWN_LOSS["float64"] / math.log(2)),
        "accuracy": 0,
        "top5_accuracy": 1,
    }


def test_a_nan_is_a_float_and_has_its_place(client: Client) -> None:
    logits = KNOWN_LOGITS.astype(np.float32)
    logits[1, 2] = np.nan

    evaluation = client.cross_entropy(logits, KNOWN_LABEL, outputs=["per_token_loss"])

    assert evaluation.loss is not None
    assert math.isnan(evaluation.loss)
    assert math.isnan(evaluation.numerator)
    assert math.isnan(evaluation.mean_nll)
    assert math.isnan(evaluation.metrics["perplexity"])
    assert np.isnan(evaluation.outputs["per_token_loss"]).tolist() == [
        False,
        True,
        False,
    ]
    assert not evaluation.is_finite
    assert "row 1, class 2" in evaluation.summary
    assert str(evaluation) == f"loss nan over 3 of 3 rows: {evaluation.summary}"
    (place,) = evaluation.diagnostics["locations"]
    assert (place["row"], place["column"]) == (1, 2)
    assert math.isnan(place["value"])


def test_an_infinite_loss_is_a_float(client: Client) -> None:
    logits = np.array([[-np.inf, 0.0]], np.float32)

    evaluation = client.cross_entropy(logits, [0])

    assert evaluation.loss == math.inf
    assert evaluation.diagnostics["locations"][0]["value"] == -math.inf
    assert [c["cause"] for c in evaluation.diagnostics["causes"]] == [
        "neg_inf_at_label"
    ]


def test_a_tensor_is_diagnosed(client: Client) -> None:
    tensor = np.ones((4, 3), np.float16)
    tensor[[1, 3], 2] = np.inf

    diagnosis = client.diagnose(tensor, max_locations=1)

    assert diagnosis["verdict"] == "non_finite"
    assert (diagnosis["dtype"], diagnosis["shape"]) == ("float16", [4, 3])
    assert diagnosis["values"]["pos_inf"] == 2
    assert diagnosis["columns"]["worst"] == [{"column": 2, "rows": 2}]
    (place,) = diagnosis["locations"]
    assert (place["row"], place["column"], place["value"]) == (1, 2, math.inf)


def test_rows_that_a_mask_or_a_label_leaves_out_are_not_diagnosed(
    client: Client,
) -> None:
    tensor = np.ones((4, 3), np.float32)
    tensor[[1, 3], 2] = np.nan

    masked = client.diagnose(tensor, input_mask=[1, 0, 1, 0])
    ignored = client.diagnose(tensor, [0, 9, 0, 9], ignore_index=9)

    assert masked["verdict"] == ignored["verdict"] == "finite"
    assert (masked["rows"]["masked"], ignored["rows"]["ignored"]) == (2, 2)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "softcap": 5.0}])
def test_partials_of_shards_combine_to_the_whole(
    client: Client, options: Options
) -> None:
    logits = np.random.default_rng(1).normal(size=(50, 12)).astype(np.float32)
    label = np.arange(50) % 12
    mask, weight = np.arange(50) % 3, np.linspace(0.5, 2, 12)

    shards = [
        client.partials(
            logits[:, start : start + 4],
            label,
            mask,
            weight,
            vocab_start=start,
            vocab_size=12,
            **options,
        )
        for start in (8, 0, 4)
    ]
    combined = client.combine(iter(shards))

    whole = client.cross_entropy(logits, label, mask, weight, **options)
    assert combined.loss == pytest.approx(whole.loss, abs=2e-6)
    assert combined.numerator == pytest.approx(whole.numerator, rel=1e-6)
    assert combined.denominator == whole.denominator
    assert combined.rows == whole.rows


def test_partials_may_be_combined_with_other_options(client: Client) -> None:
    shard = client.partials(KNOWN_LOGITS, KNOWN_LABEL, vocab_start=0, vocab_size=5)
    none: Any = np.float32(0)

    combined = client.combine([shard], reduction="sum", label_smoothing=none)

    assert combined.loss == pytest.approx(row_losses(KNOWN_LOGITS, KNOWN_LABEL).sum())


def test_partials_that_leave_classes_out_are_refused(client: Client) -> None:
    shard = client.partials(KNOWN_LOGITS, KNOWN_LABEL, vocab_start=0, vocab_size=9)

    with pytest.raises(ProblemError, match=r"\(partials_mismatch, 422\)"):
        client.combine([shard])


@pytest.mark.parametrize(
    ("label", "options", "code", "words", "pointer"),
    [
        (
            KNOWN_LABEL,
            {"reducton": "sum"},
            "invalid_option",
            'unknown option "reducton", did you mean reduction?',
            "/options/reducton",
        ),
        (
            [1, 5, 0],
            {},
            "invalid_label",
            "label[1] is 5, expected a class in [0, 5)",
            "/label/data/1",
        ),
        (
            [1, 4],
            {},
            "shape_mismatch",
            "label has shape (2,), but logits of shape (3, 5) expect (3,) for class "
            "indices, (3, 5) for class probabilities",
            "/label/shape",
        ),
    ],
    ids=["option", "label", "shape"],
)
def test_a_refusal_says_what_came_what_was_expected_and_where(
    client: Client,
    label: ArrayLike,
    options: dict[str, Any],
    code: str,
    words: str,
    pointer: str,
) -> None:
    with pytest.raises(ProblemError) as raised:
        client.cross_entropy(KNOWN_LOGITS, label, **options)

    problem = raised.value
    assert (problem.code, problem.status, problem.detail) == (code, 422, words)
    assert problem.errors == [{"pointer": pointer, "detail": words}]
    assert problem.instance is not None
    assert problem.instance.startswith("urn:uuid:")
    assert problem.problem["type"] == f"urn:lossmeter:problem:{code}"
    assert problem.title == problem.problem["title"]
    assert str(problem) == f"{words} ({code}, 422)"


def test_a_refusal_that_comes_before_the_body_is_sent_is_read(client: Client) -> None:
    logits = large_logits(16)
    options: dict[str, Any] = {"reducton": "sum"}

    for _ in range(3):
        with pytest.raises(ProblemError, match="did you mean reduction"):
            client.cross_entropy(logits, np.zeros(len(logits), int), **options)

    assert client.info()["name"] == "lossmeter"


def test_a_loss_that_is_not_finite_can_be_an_error_that_says_why(
    client: Client,
) -> None:
    logits = KNOWN_LOGITS.copy()
    logits[1, 2] = np.nan

    with pytest.raises(NonFiniteLossError, match="row 1, class 2") as raised:
        client.cross_entropy(logits, KNOWN_LABEL, on_non_finite="reject")

    assert (raised.value.code, raised.value.status) == ("non_finite_loss", 422)
    diagnostics = raised.value.diagnostics
    assert diagnostics["verdict"] == "non_finite"
    assert diagnostics["causes"][0]["cause"] == "nan_logit"
    assert math.isnan(diagnostics["locations"][0]["value"])


@pytest.mark.parametrize(
    "error",
    [
        ProblemError(422, {"code": "invalid_label", "detail": "label[0] is 9"}),
        NonFiniteLossError(422, {"code": "non_finite_loss", "diagnostics": {}}),
        UnexpectedAnswerError("GET /v1/info was answered with b''"),
        UnreachableError("GET /v1/info: lost", repeatable=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_handed_from_process_to_process(error: LossmeterError) -> None:
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 -- made here

    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)


@pytest.mark.parametrize(
    "content", [b"<html>Hi</html>", b"", b"[]", b'{"status": "ok"}']
)
@pytest.mark.parametrize("ask", ["cross_entropy", "record_pair", "info", "steps"])
def test_what_answers_and_is_no_lossmeter_is_said_to_be_none(
    service: Service, ask: str, content: bytes
) -> None:
    def send(client: Client) -> object:
        match ask:
            case "cross_entropy":
                return client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL)
            case "record_pair":
                return client.run("a").record_pair(0, 0, 1.0, 1.0)
            case "steps":
                return client.run("a").steps()
            case _:
                return client.info()

    with (
        Relay(service, Answer(200, content)) as relay,
        Client(relay.url) as client,
        pytest.raises(UnexpectedAnswerError, match="was answered with "),
    ):
        send(client)


def test_a_redirect_is_not_followed_with_the_key(service: Service) -> None:
    elsewhere = Answer(307, b"", {"Location": f"{service.url}/v1/info"})
    with (
        Relay(service, elsewhere) as relay,
        Client(relay.url) as client,
        pytest.raises(UnexpectedAnswerError, match=rf"to {service.url}/v1/info \(307"),
    ):
        client.info()


def test_the_service_says_what_it_is(client: Client) -> None:
    info = client.info()

    assert info["name"] == "lossmeter"
    assert "bfloat16" in info["dtypes"]["logits"]
    assert "reduction" in info["options"]


def test_all_runs_are_listed_over_pages_the_newest_first(client: Client) -> None:
    names = [f"listed-{number:03}" for number in range(60)]
    for name in names:
        client.run(name).describe()

    listed = [run["run"] for run in client.runs() if run["run"] in names]

    assert listed == names[::-1]


def test_runs_are_searched_and_sorted_over_pages(client: Client) -> None:
    names = [f"sought-{number:03}" for number in range(60)]
    for name in reversed(names):
        client.run(name).describe(labels={"share": "100%", "note": "A & B=ü"})

    listed = client.runs(search="SOUGHT share=100% &", sort="name")
    assert [run["run"] for run in listed] == names
    client.run(names[7]).record_pair(0, 0, 1.0, 1.0)
    assert next(client.runs(search="sought", sort="updated"))["run"] == names[7]
    oldest = client.runs(search="b=Ü", sort="oldest")
    assert [run["run"] for run in oldest] == names[::-1]
    assert [*client.runs(search="share=1__%")] == []
    with pytest.raises(ProblemError, match="search"):
        next(client.runs(search="x" * 257))


def test_runs_are_listed_by_state_label_tag_and_archive(client: Client) -> None:
    for number in range(3):
        client.run(f"filtered-{number}").describe(
            labels={"family": "f&=g", "lr": 1e-7 * (number + 1), "last": number == 2},
            tags=["filtered", f"t={number}"],
            state="finished" if number else "running",
            archived=number == 2,
        )

    def names(**filters: Unpack[RunFilters]) -> list[str]:
        filters["labels"] = {"family": "f&=g", **(filters.get("labels") or {})}
        return [run["run"][-1] for run in client.runs(**filters)]

    assert names() == ["1", "0"]
    assert names(archived="any") == ["2", "1", "0"]
    assert names(archived="true") == ["2"]
    assert names(state="finished") == ["1"]
    assert names(tags=["filtered", "t=0"]) == ["0"]
    assert names(labels={"lr": 2e-7}) == ["1"]
    assert names(labels={"last": True}, archived="any") == ["2"]


# Addresses.


def test_the_address_is_that_of_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSMETER_URL", service.url)

    with Client() as client:
        assert client.url == service.url
        assert client.info()["name"] == "lossmeter"


def test_the_argument_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOSSMETER_URL", "http://elsewhere.example")

    assert Client("http://here.example").url == "http://here.example"


def test_without_an_address_it_is_that_of_a_service_at_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LOSSMETER_URL", raising=False)

    assert Client().url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://loss.example/", "http://loss.example"),
        ("https://loss.example:8443", "https://loss.example:8443"),
        ("http://[::1]:8080//", "http://[::1]:8080"),
        ("https://proxy.example/loss/v2/", "https://proxy.example/loss/v2"),
    ],
)
def test_a_slash_at_the_end_is_left_out_and_a_path_is_kept(
    given: str, url: str
) -> None:
    assert Client(given).url == url


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:8080", "localhost", "/v1", "ftp://loss.example", "http://"),
        *("http:///v1", "http://loss.example?key=1", "http://loss.example#top"),
        *("http://loss.example:99999", "http://loss.example:port", " "),
    ],
)
def test_what_is_no_address_of_a_service_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    words = "expected one such as http://127.0.0.1:8080 or https://loss.example"

    with pytest.raises(ValueError, match=words):
        Client(url)
    monkeypatch.setenv("LOSSMETER_URL", url)
    with pytest.raises(ValueError, match=words):
        Client()


def test_paths_are_below_that_of_the_address(service: Service) -> None:
    with Relay(service) as relay, Client(f"{relay.url}/below/") as client:
        with pytest.raises(ProblemError, match="not_found"):
            client.info()
        with pytest.raises(ProblemError, match="not_found"):
            client.run("a:b~c").step(7)

    paths = [head.path for head in relay.heads]
    assert paths == ["/below/v1/info", "/below/v1/runs/a%3Ab~c/steps/7"]


@pytest.mark.parametrize("name", ["", "../info", "a ", "a\tb", "a" * 257])
def test_what_is_no_name_of_a_run_is_refused(client: Client, name: str) -> None:
    with pytest.raises((ProblemError, ValueError), match=r"name|path"):
        client.run(name).describe()


# Keys.


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys: Path) -> str:
    node = os.environ.get("LOSSMETER_NODE", "node")
    command = [node, "src/cli/bin.js", "keys", "create", "--name", "trainer"]
    command += ["--scope", "evaluate", "--file", str(keys)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def locked(
    keys: Path, key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that requires a key."""
    assert key
    log = tmp_path_factory.mktemp("locked") / "log"
    with running_service(log, {"LOSSMETER_API_KEYS_FILE": str(keys)}) as started:
        yield started


def evaluate(client: Client) -> float | None:
    return client.cross_entropy(CONFIDENT_LOGITS, CONFIDENT_LABEL).loss


def test_with_a_key_a_locked_service_answers(locked: Service, key: str) -> None:
    with Client(locked.url, key) as client:
        assert evaluate(client) == pytest.approx(CONFIDENT_LOSS)


def test_the_key_may_be_that_of_the_environment(
    locked: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSMETER_API_KEY", key)

    with Client(locked.url) as client:
        assert evaluate(client) == pytest.approx(CONFIDENT_LOSS)
    with Client(locked.url, "another") as client, pytest.raises(ProblemError):
        evaluate(client)


@pytest.mark.parametrize("wrong", [None, "wrong"])
def test_without_its_key_a_locked_service_refuses(
    locked: Service, wrong: str | None
) -> None:
    with Client(locked.url, wrong) as client:
        with pytest.raises(ProblemError) as raised:
            evaluate(client)
        with pytest.raises(ProblemError, match=r"\(unauthorized, 401\)"):
            next(client.run("a").watch())

    assert (raised.value.code, raised.value.status) == ("unauthorized", 401)


def test_a_key_does_what_its_scope_says(locked: Service, key: str) -> None:
    with (
        Client(locked.url, key) as client,
        pytest.raises(ProblemError, match=r"\(forbidden, 403\)"),
    ):
        client.run("a").describe()


def test_the_key_is_not_shown_and_not_saved() -> None:
    client = Client("http://loss.example", "a-secret")

    assert "a-secret" not in repr(client)
    assert "a-secret" not in repr(client.run("a"))
    assert "a-secret" not in repr(vars(client))
    assert b"a-secret" not in pickle.dumps(client)
    assert b"a-secret" not in pickle.dumps(client.run("a"))


def test_the_key_is_not_in_errors(service: Service) -> None:
    with (
        Relay(service, *[Answer(500)] * 2) as relay,
        Client(relay.url, "a-secret\n") as client,
        pytest.raises((LossmeterError, ValueError)) as raised,
    ):
        client.info()

    assert "a-secret" not in str(raised.value)


def test_a_client_that_was_saved_asks_with_the_key_of_its_new_environment(
    locked: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = pickle.dumps(Client(locked.url, "of-another-machine"))
    monkeypatch.setenv("LOSSMETER_API_KEY", key)

    with pickle.loads(saved) as client:  # noqa: S301 -- made here
        assert evaluate(client) == pytest.approx(CONFIDENT_LOSS)


def test_copies_ask_with_the_same_key(locked: Service, key: str) -> None:
    with Client(locked.url, key) as client:
        for made in (copy.copy(client), copy.deepcopy(client)):
            assert evaluate(made) == pytest.approx(CONFIDENT_LOSS)


def test_what_is_saved_is_the_address_and_how_it_is_asked(service: Service) -> None:
    with Relay(service, *[Answer(503)] * 9) as relay:
        client = Client(relay.url, timeout=3, retries=1)
        with pickle.loads(pickle.dumps(client)) as loaded:  # noqa: S301 -- made here
            assert loaded.url == client.url
            with pytest.raises(ProblemError):
                loaded.info()

    assert len(relay.heads) == 2


# Connections.


def test_connections_are_kept(service: Service) -> None:
    with Relay(service) as relay, Client(relay.url) as client:
        for number in range(5):
            evaluate(client)
            client.info()
            client.run("kept").record_pair(number, 0, 1.0, 1.0)
            with pytest.raises(ProblemError):
                client.cross_entropy(CONFIDENT_LOGITS, [10])
        client.run("kept").delete()

    assert len(relay.heads) == 21
    assert relay.connections == 1


def test_a_body_is_sent_with_its_length_and_not_in_chunks(service: Service) -> None:
    logits = large_logits(2)
    with Relay(service) as relay, Client(relay.url) as client:
        client.cross_entropy(logits, np.zeros(len(logits), np.int64))
        client.run("length").record_pair(0, 0, 1.0, 1.0)
        client.info()

    evaluated, recorded, asked = relay.heads
    assert int(evaluated.fields["content-length"]) > logits.nbytes
    assert int(recorded.fields["content-length"]) > 0
    assert "content-length" not in asked.fields
    assert not any("transfer-encoding" in head.fields for head in relay.heads)


def test_each_request_says_who_asks_and_what_can_be_read(service: Service) -> None:
    with Relay(service) as relay, Client(relay.url, "a-key") as client:
        client.info()
        evaluate(client)

    for head in relay.heads:
        assert head.fields["user-agent"] == f"lossmeter-python/{lossmeter.__version__}"
        assert head.fields["authorization"] == "Bearer a-key"
        assert head.fields.get("accept-encoding", "identity") == "identity"
    accepts = [head.fields["accept"] for head in relay.heads]
    assert accepts == ["application/json", "application/vnd.safetensors"]
    assert relay.heads[1].fields["content-type"] == "application/vnd.safetensors"


def test_threads_share_a_client_and_its_few_connections(service: Service) -> None:
    def losses(thread: int) -> list[float | None]:
        rows = np.eye(20, dtype=np.float32) * thread
        return [client.cross_entropy(rows[i : i + 1], [i]).loss for i in range(20)]

    with (
        Relay(service) as relay,
        Client(relay.url) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        got = list(threads.map(losses, range(8)))

    for thread, values in enumerate(got):
        expected = math.log(math.exp(thread) + 19) - thread
        assert values == pytest.approx([expected] * 20, abs=2e-6)
    assert relay.connections <= 8


FORK = """
import os
from lossmeter import Client

with Client() as client:
    client.info()
    child = os.fork()
    client.cross_entropy([[0.0, 0.0]], [0])
    if child:
        _, status = os.waitpid(child, 0)
        client.info()
        raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_process_has_connections_of_its_own(service: Service) -> None:
    with Relay(service) as relay:
        # In a new process, because this one has too many threads to be forked.
        done = subprocess.run(
            [sys.executable, "-c", FORK],
            env={**os.environ, "LOSSMETER_URL": relay.url},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(relay.heads) == 4
    assert relay.connections == 2


def test_after_it_was_closed_a_client_opens_connections_anew(service: Service) -> None:
    with Relay(service) as relay, Client(relay.url) as client:
        client.info()
        client.close()
        client.close()
        client.info()

    assert relay.connections == 2


def test_the_classes_may_be_another_axis(client: Client) -> None:
    rng = np.random.default_rng(16)
    logits = rng.standard_normal((3, 5, 4)).astype(np.float32)
    label = rng.integers(5, size=(3, 4))

    evaluation = client.cross_entropy(
        logits, label, class_axis=1, outputs=["gradient", "per_token_loss"]
    )

    plain = client.cross_entropy(
        np.moveaxis(logits, 1, -1), label, outputs=["gradient", "per_token_loss"]
    )
    assert evaluation.loss == plain.loss
    gradient = np.moveaxis(plain.outputs["gradient"], -1, 1)
    assert np.array_equal(evaluation.outputs["gradient"], gradient)
    rows = evaluation.outputs["per_token_loss"]
    assert np.array_equal(rows, plain.outputs["per_token_loss"])


def test_a_row_alone_has_a_number_as_its_label(client: Client) -> None:
    evaluation = client.cross_entropy(
        np.array([1.0, 2.0, 4.0]), 1, outputs=["predictions", "gradient"]
    )

    batch = client.cross_entropy(np.array([[1.0, 2.0, 4.0]]), [[1]])
    assert evaluation.numerator == batch.numerator
    assert evaluation.outputs["predictions"].shape == ()
    assert evaluation.outputs["gradient"].shape == (3,)
