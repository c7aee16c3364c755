"""Known losses come back over HTTP, whatever the encoding."""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import ml_dtypes
import msgpack
import msgpack_numpy
import numpy as np
import pytest
import requests
import safetensors.numpy
from numpy.typing import NDArray
from reference import row_losses
from service import Service
from tensors import Map, from_bfloat16, to_bfloat16, to_json, to_msgpack

LOGITS = np.array(
    [
        [-0.438346, 0.582246, 0.842038, -0.591126, 0.590775],
        [-0.968004, 0.189337, 0.982326, 0.374514, 0.851041],
        [0.269876, 0.195891, 0.748780, -0.056748, 0.263205],
    ]
)
LABEL = np.array([1, 4, 0])

# A confident row whose label is far off: 72 − 5.
CONFIDENT_LOGITS = np.array([[3, 5, 6, 9, 12, 33, 42, 12, 32, 72]])
CONFIDENT_LABEL = np.array([1])

Post = Callable[..., dict[str, Any]]


def encode_msgpack(
    logits: NDArray[Any], label: NDArray[Any], dtype: str | None, options: Map
) -> bytes:
    tensors = {"label": to_msgpack(label), "logits": to_msgpack(logits, dtype)}
    return msgpack.packb({"options": options} | tensors)


def encode_msgpack_numpy(
    logits: NDArray[Any], label: NDArray[Any], dtype: str | None, options: Map
) -> bytes:
    if dtype == "bfloat16":
        logits = logits.view("V2")
    fields = {"options": options, "label": label, "logits": logits}
    return msgpack.packb(fields, default=msgpack_numpy.encode)


def encode_json(
    logits: NDArray[Any], label: NDArray[Any], dtype: str | None, options: Map
) -> str:
    # Lists are float32 to the service: only these go without a dtype.
    lists = logits.dtype == np.float32
    encoded = logits.tolist() if lists else to_json(logits, dtype)
    return json.dumps({"options": options, "label": label.tolist(), "logits": encoded})


def encode_safetensors(
    logits: NDArray[Any], label: NDArray[Any], dtype: str | None, options: Map
) -> bytes:
    if dtype == "bfloat16":
        logits = logits.view(ml_dtypes.bfloat16)
    return safetensors.numpy.save(
        {"label": label, "logits": logits}, {"options": json.dumps(options)}
    )


@pytest.fixture(params=["msgpack", "msgpack-numpy", "json", "safetensors"])
def post(request: pytest.FixtureRequest, service: Service) -> Post:
    """Posts arrays in one of the encodings and returns the JSON answer."""
    media_type, encode = {
        "msgpack": ("application/vnd.msgpack", encode_msgpack),
        "msgpack-numpy": ("application/vnd.msgpack", encode_msgpack_numpy),
        "json": ("application/json", encode_json),
        "safetensors": ("application/vnd.safetensors", encode_safetensors),
    }[request.param]

    def post(
        logits: NDArray[Any],
        label: NDArray[Any],
        dtype: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        response = requests.post(
            f"{service.url}/v1/cross-entropy",
            data=encode(logits, label, dtype, options),
            headers={"Content-Type": media_type},
            timeout=10,
        )
        assert response.status_code == 200, response.text
        return response.json()

    return post


@pytest.mark.parametrize(
    ("dtype", "loss"), [("float32", 1.42499710), ("float16", 1.42508487)]
)
def test_the_known_batch_has_its_known_loss(
    post: Post, dtype: str, loss: float
) -> None:
    answer = post(LOGITS.astype(dtype), LABEL)

    assert answer["loss"] == pytest.approx(loss, rel=0, abs=1e-6)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float64", 1e-12), ("float32", 2e-6), ("float16", 2e-6), ("bfloat16", 2e-6)],
)
def test_the_loss_is_that_of_float64_arithmetic_on_the_rounded_logits(
    post: Post, dtype: str, tolerance: float
) -> None:
    if dtype == "bfloat16":
        logits = to_bfloat16(LOGITS)
        rounded = from_bfloat16(logits)
    else:
        logits = LOGITS.astype(dtype)
        rounded = logits.astype(np.float64)
    numerator = row_losses(rounded, LABEL).sum()

    answer = post(logits, LABEL, dtype)

    assert answer["denominator"] == 3
    expected = (numerator, numerator / (3 + 1e-8))
    assert (answer["numerator"], answer["loss"]) == pytest.approx(
        expected, rel=0, abs=tolerance
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("options", "loss"), [({"semantics": "torch"}, 67), ({}, 66.99999933)]
)
def test_the_semantics_decide_the_last_digits_of_a_confident_row(
    post: Post, dtype: str, options: dict[str, str], loss: float
) -> None:
    answer = post(CONFIDENT_LOGITS.astype(dtype), CONFIDENT_LABEL, **options)

    assert answer["loss"] == pytest.approx(loss, rel=0, abs=5e-9)


NAN_PLACE = {
    "row": 1,
    "column": 2,
    "value": "NaN",
    "is_label": False,
    "masked": False,
}


def post_with_bare_nan(service: Service, accept: str) -> requests.Response:
    logits = LOGITS.tolist()
    logits[NAN_PLACE["row"]][NAN_PLACE["column"]] = math.nan
    body = json.dumps({"label": LABEL.tolist(), "logits": logits})
    assert ", NaN," in body
    response = requests.post(
        f"{service.url}/v1/cross-entropy",
        data=body,
        headers={"Content-Type": "application/json", "Accept": accept},
        timeout=10,
    )
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].split(";")[0] == accept
    return response


def test_a_nan_that_json_dumps_wrote_is_text_and_has_its_place_in_a_json_answer(
    service: Service,
) -> None:
    def refuse(token: str) -> NoReturn:
        # Python would read a bare NaN, no other language's JSON does.
        pytest.fail(f"the answer has a bare {token}")

    response = post_with_bare_nan(service, "application/json")
    answer = json.loads(response.content, parse_constant=refuse)

    assert answer["loss"] == "NaN"
    assert answer["diagnostics"]["locations"][0] == NAN_PLACE


def test_a_nan_that_json_dumps_wrote_is_a_float_and_has_its_place_in_a_msgpack_answer(
    service: Service,
) -> None:
    response = post_with_bare_nan(service, "application/vnd.msgpack")
    answer = msgpack.unpackb(response.content)

    assert isinstance(answer["loss"], float)
    assert math.isnan(answer["loss"])
    assert answer["diagnostics"]["locations"][0] == NAN_PLACE
