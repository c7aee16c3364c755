"""What safetensors and msgpack-numpy write is read, and they read the answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
import requests
import safetensors.numpy
from numpy.typing import NDArray
from reference import row_losses
from safetensors import safe_open
from service import ROOT, Service
from tensors import from_bfloat16, to_bfloat16

MSGPACK = "application/vnd.msgpack"
SAFETENSORS = "application/vnd.safetensors"

LOGITS = np.random.default_rng(7).normal(size=(6, 11)).astype(np.float32)
LABEL = np.array([3, 0, 10, 5, 5, 1])
MASK = np.array([1, 1, 0, 1, 1, 1], bool)
WEIGHT = np.linspace(0.5, 1.5, 11)
OUTPUTS = ["per_token_loss", "gradient", "predictions"]

Arrays = dict[str, NDArray[Any]]


def post(
    service: Service, body: bytes, media_type: str, accept: str, path: str = ""
) -> bytes:
    response = requests.post(
        f"{service.url}/v1/cross-entropy{path}",
        data=body,
        headers={"Content-Type": media_type, "Accept": accept},
        timeout=10,
    )
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == accept
    return response.content


def save(arrays: Arrays, options: dict[str, Any]) -> bytes:
    return safetensors.numpy.save(arrays, {"options": json.dumps(options)})


def pack(arrays: Arrays, options: dict[str, Any]) -> bytes:
    return msgpack.packb({"options": options} | arrays, default=msgpack_numpy.encode)


def expect_outputs(outputs: Arrays) -> None:
    losses = np.where(MASK, row_losses(LOGITS, LABEL), 0)
    np.testing.assert_allclose(outputs["per_token_loss"], losses, rtol=0, atol=2e-6)
    assert (outputs["predictions"] == LOGITS.argmax(axis=1)).all()
    assert outputs["predictions"].dtype == np.int32
    assert outputs["gradient"].dtype == np.float32
    assert outputs["gradient"].shape == LOGITS.shape
    # The softmax sums to 1, and so does the target.
    np.testing.assert_allclose(outputs["gradient"].sum(axis=1), 0, atol=1e-7)
    assert not outputs["gradient"][2].any()


@pytest.mark.parametrize("label_dtype", [np.int32, np.int64, np.uint8])
def test_safetensors_reads_the_answer_to_what_it_wrote_in_its_own_order(
    service: Service, tmp_path: Path, label_dtype: type
) -> None:
    arrays = {"logits": LOGITS, "label": LABEL.astype(label_dtype), "input_mask": MASK}
    body = save(arrays, {"outputs": OUTPUTS})

    answer = post(service, body, SAFETENSORS, SAFETENSORS)

    expect_outputs(safetensors.numpy.load(answer))
    path = tmp_path / "answer.safetensors"
    path.write_bytes(answer)
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(OUTPUTS)
        evaluation = json.loads(file.metadata()["evaluation"])
        losses = file.get_tensor("per_token_loss")
    assert evaluation["rows"] == {"total": 6, "counted": 5, "ignored": 0, "masked": 1}
    assert evaluation["loss"] == pytest.approx(losses.sum() / 5)


def test_msgpack_numpy_reads_the_answer_to_what_it_wrote(service: Service) -> None:
    arrays = {"label": LABEL, "input_mask": MASK, "logits": LOGITS}
    body = pack(arrays, {"outputs": OUTPUTS})

    answer = post(service, body, MSGPACK, MSGPACK)

    evaluation = msgpack.unpackb(answer, object_hook=msgpack_numpy.decode)
    assert all(type(a) is np.ndarray for a in evaluation["outputs"].values())
    expect_outputs(evaluation["outputs"])
    assert evaluation["loss"] == pytest.approx(
        evaluation["outputs"]["per_token_loss"].sum() / 5
    )


def test_a_bfloat16_gradient_is_bits_to_msgpack_numpy(service: Service) -> None:
    arrays = {"label": LABEL, "logits": to_bfloat16(LOGITS).view("V2")}

    answer = post(service, pack(arrays, {"outputs": ["gradient"]}), MSGPACK, MSGPACK)

    decoded = msgpack.unpackb(answer, object_hook=msgpack_numpy.decode)
    gradient = decoded["outputs"]["gradient"]
    assert gradient.dtype == np.uint16
    np.testing.assert_allclose(from_bfloat16(gradient).sum(axis=1), 0, atol=5e-3)


@pytest.mark.parametrize(
    "arrange",
    [
        pytest.param(lambda a: a, id="C"),
        pytest.param(np.asfortranarray, id="Fortran"),
        pytest.param(lambda a: np.repeat(a, 2, axis=1)[:, ::2], id="strided"),
    ],
)
def test_msgpack_numpy_may_send_arrays_of_any_layout(
    service: Service, arrange: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    body = pack({"label": LABEL, "logits": arrange(LOGITS)}, {})

    answer = json.loads(post(service, body, MSGPACK, "application/json"))

    assert answer["numerator"] == pytest.approx(row_losses(LOGITS, LABEL).sum())


def test_class_weights_and_forms_of_both_kinds_may_stand_in_one_request(
    service: Service,
) -> None:
    plain = {"dtype": "float32", "shape": LOGITS.shape, "data": LOGITS.tobytes()}
    arrays = {"label": LABEL, "weight": WEIGHT}
    mixed = msgpack.packb(arrays | {"logits": plain}, default=msgpack_numpy.encode)
    written = save(arrays | {"logits": LOGITS}, {})

    answers = [
        json.loads(post(service, mixed, MSGPACK, "application/json")),
        json.loads(post(service, written, SAFETENSORS, "application/json")),
    ]

    assert answers[0] == answers[1]
    assert answers[0]["denominator"] == pytest.approx(WEIGHT[LABEL].sum())


def test_a_client_that_patched_msgpack_combines_partials(service: Service) -> None:
    arrays = {"label": LABEL, "logits": LOGITS}
    whole = json.loads(post(service, pack(arrays, {}), MSGPACK, "application/json"))

    partials = []
    for begin, end in [(0, 4), (4, 11)]:
        shard = {"vocab_start": begin, "vocab_size": 11, "label": LABEL}
        shard["logits"] = LOGITS[:, begin:end]
        body = msgpack.packb(shard, default=msgpack_numpy.encode)
        answer = post(service, body, MSGPACK, MSGPACK, "/partials")
        partials.append(msgpack.unpackb(answer, object_hook=msgpack_numpy.decode))
    body = msgpack.packb({"partials": partials}, default=msgpack_numpy.encode)
    combined = json.loads(post(service, body, MSGPACK, "application/json", "/combine"))

    assert combined["loss"] == pytest.approx(whole["loss"], rel=1e-7)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (LABEL.astype(object), "pickle"),
        (LABEL.astype(str), "<U"),
        (LABEL.astype(">i8"), "big-endian"),
        (LABEL.astype([("class", "<i8")]), "class"),
        (LABEL.astype(np.complex64), "<c8"),
    ],
)
def test_an_array_that_can_be_no_label_is_refused_by_its_type(
    service: Service, array: NDArray[Any], says: str
) -> None:
    response = requests.post(
        f"{service.url}/v1/cross-entropy",
        data=pack({"label": array, "logits": LOGITS}, {}),
        headers={"Content-Type": MSGPACK},
        timeout=10,
    )

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_tensor"
    assert says in response.json()["detail"]


def test_a_numpy_scalar_is_the_label_of_a_row_alone(service: Service) -> None:
    body = pack({"label": np.int64(3), "logits": LOGITS[0]}, {})
    of_row = json.loads(post(service, body, MSGPACK, "application/json"))
    body = pack({"label": np.int64([3]), "logits": LOGITS[:1]}, {})
    of_batch = json.loads(post(service, body, MSGPACK, "application/json"))

    assert of_row["loss"] == of_batch["loss"]


@pytest.mark.parametrize("media_type", [SAFETENSORS, "application/octet-stream"])
def test_the_example_file_has_the_loss_of_the_example_map(
    service: Service, media_type: str
) -> None:
    packed = (ROOT / "examples/char-lm.msgpack").read_bytes()
    saved = (ROOT / "examples/char-lm.safetensors").read_bytes()

    answers = [
        json.loads(post(service, packed, MSGPACK, "application/json")),
        json.loads(post(service, saved, media_type, "application/json")),
    ]

    assert answers[0] == answers[1]
