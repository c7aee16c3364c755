"""tritonclient and KServe's client, as they are, against the service."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from numpy.typing import NDArray
from reference import row_losses
from service import Service
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

MODEL = "cross_entropy"
DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
COMPRESSIONS = [None, "gzip", "deflate"]
OUTPUTS = [
    "loss",
    "numerator",
    "denominator",
    "nan_count",
    "inf_count",
    "per_token_loss",
    "lse",
    "gradient",
    "predictions",
    "target_rank",
    "entropy",
]

Infer = Callable[..., Any]


class Batch:
    """Logits of a dtype, with their labels and the loss that they have."""

    def __init__(self, dtype: Any = np.float32) -> None:
        random = np.random.default_rng(7)
        self.logits: NDArray[Any] = (3 * random.standard_normal((64, 33))).astype(dtype)
        self.label = random.integers(0, 33, 64)
        self.row_losses = row_losses(self.logits, self.label)
        self.loss = self.row_losses.mean()

    def inputs(self, binary: bool = True) -> list[triton.InferInput]:
        return [
            tensor("label", self.label, binary),
            tensor("logits", self.logits, binary),
        ]


def tensor(name: str, array: NDArray[Any], binary: bool = True) -> triton.InferInput:
    found = triton.InferInput(
        name, list(array.shape), np_to_triton_dtype(array.dtype)
    )
    return found.set_data_from_numpy(array, binary_data=binary)


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"{service.host}:{service.port}") as client:
        yield client


def with_aio(service: Service, use: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        address = f"{service.host}:{service.port}"
        async with triton_aio.InferenceServerClient(address) as client:
            return await use(client)

    return asyncio.run(run())


@pytest.fixture(params=["sync", "aio"])
def infer(
    request: pytest.FixtureRequest,
    service: Service,
    client: triton.InferenceServerClient,
) -> Infer:
    """`infer` of both clients of tritonclient."""
    if request.param == "sync":
        return client.infer
    return lambda *args, **options: with_aio(
        service, lambda aio: aio.infer(*args, **options)
    )


def test_tritonclient_lists_and_inspects(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("resnet")
    assert not client.is_model_ready(MODEL, "2")
    assert client.get_server_metadata()["name"] == "lossmeter"
    metadata = client.get_model_metadata(MODEL)
    assert [i["name"] for i in metadata["inputs"]] == [
        "label",
        "logits",
        "input_mask",
        "weight",
        "segments",
        "bytes",
        "words",
    ]
    assert [o["name"] for o in metadata["outputs"]] == OUTPUTS
    assert client.get_model_metadata(MODEL, "1") == metadata
    config = client.get_model_config(MODEL)
    assert [i["name"] for i in config["input"] if i["optional"]] == [
        "input_mask",
        "weight",
        "segments",
        "bytes",
        "words",
    ]
    models = client.get_model_repository_index()
    assert [(model["name"], model["state"]) for model in models] == [
        (MODEL, "READY"),
        ("kl_divergence", "READY"),
    ]


def test_the_asyncio_client_lists_and_inspects(service: Service) -> None:
    async def inspect(client: triton_aio.InferenceServerClient) -> list[Any]:
        return [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready(MODEL),
            (await client.get_server_metadata())["name"],
            (await client.get_model_metadata(MODEL))["name"],
            (await client.get_model_config(MODEL))["name"],
            (await client.get_model_repository_index())[0]["name"],
            (await client.get_inference_statistics())["model_stats"][0]["name"],
        ]

    found = with_aio(service, inspect)
    assert found == [True, True, True, "lossmeter", MODEL, MODEL, MODEL, MODEL]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_tritonclient_calls_with_every_dtype_and_compression(
    infer: Infer, dtype: Any, compression: str | None
) -> None:
    batch = Batch(dtype)
    result = infer(
        MODEL,
        batch.inputs(),
        request_id="step-7",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
        parameters={"outputs": '["gradient", "per_token_loss"]'},
    )
    assert result.as_numpy("loss") == pytest.approx(batch.loss, rel=1e-6)
    assert result.as_numpy("nan_count").tolist() == [0]
    np.testing.assert_allclose(
        result.as_numpy("per_token_loss"), batch.row_losses, rtol=1e-6
    )
    gradient = result.as_numpy("gradient")
    assert (gradient.dtype, gradient.shape) == (dtype, batch.logits.shape)
    assert np.abs(gradient.astype(np.float64).sum(axis=1)).max() < 1e-3
    response = result.get_response()
    assert (response["id"], response["parameters"]["verdict"]) == ("step-7", "finite")


@pytest.mark.parametrize("dtype", DTYPES[:3])
def test_tritonclient_calls_with_json(infer: Infer, dtype: Any) -> None:
    batch = Batch(dtype)
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in OUTPUTS]
    result = infer(MODEL, batch.inputs(binary=False), outputs=outputs)
    assert [o["name"] for o in result.get_response()["outputs"]] == OUTPUTS
    assert all("data" in output for output in result.get_response()["outputs"])
    assert result.as_numpy("loss") == pytest.approx(batch.loss, rel=1e-6)
    assert result.as_numpy("predictions").tolist() == batch.logits.argmax(1).tolist()
    assert result.as_numpy("gradient").shape == batch.logits.shape


def test_outputs_are_chosen_and_some_are_binary(infer: Infer) -> None:
    batch = Batch()
    result = infer(
        MODEL,
        batch.inputs(),
        outputs=[
            triton.InferRequestedOutput("lse", binary_data=True),
            triton.InferRequestedOutput("loss", binary_data=False),
            triton.InferRequestedOutput("entropy", binary_data=True),
        ],
    )
    names = [output["name"] for output in result.get_response()["outputs"]]
    assert names == ["lse", "loss", "entropy"]
    assert "data" in result.get_output("loss")
    assert result.as_numpy("lse").shape == result.as_numpy("entropy").shape == (64,)
    assert result.as_numpy("loss") == pytest.approx(batch.loss, rel=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_a_number_that_is_not_finite_arrives(infer: Infer, binary: bool) -> None:
    batch = Batch()
    batch.logits[3, 5] = np.nan
    batch.logits[9, 2] = -np.inf
    outputs = [
        triton.InferRequestedOutput(name, binary_data=binary)
        for name in ["loss", "nan_count", "inf_count", "per_token_loss"]
    ]
    result = infer(MODEL, batch.inputs(binary), outputs=outputs)
    assert np.isnan(result.as_numpy("loss")).all()
    assert result.as_numpy("nan_count").tolist() == [1]
    assert result.as_numpy("inf_count").tolist() == [1]
    assert np.flatnonzero(np.isnan(result.as_numpy("per_token_loss"))).tolist() == [3]
    parameters = result.get_response()["parameters"]
    assert parameters["verdict"] == "non_finite"
    first = json.loads(parameters["diagnostics"])["causes"][0]["first"]
    assert (first["row"], first["column"], first["value"]) == (3, 5, "NaN")


def test_mask_weight_and_options_do_what_they_do_elsewhere(infer: Infer) -> None:
    batch = Batch()
    mask = np.arange(64) % 3 > 0
    inputs = [
        *batch.inputs(),
        tensor("input_mask", mask),
        tensor("weight", np.ones(33, np.float32)),
    ]
    parameters = {"reduction": "sum", "ignore_index": "[-100, 0]"}
    result = infer(MODEL, inputs, parameters=parameters, priority=1, timeout=10**6)
    counted = mask & (batch.label != 0)
    expected = batch.row_losses[counted].sum()
    assert result.as_numpy("loss") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("inputs", "options", "status", "says"),
    [
        (["label"], {}, "422", "logits is missing"),
        (["label", "logits"], {"parameters": {"label_smothing": 1}}, "422", "did you"),
        (["label", "logits"], {"model_version": "2"}, "404", "version 1"),
    ],
)
def test_errors_are_shown(
    infer: Infer,
    inputs: list[str],
    options: dict[str, Any],
    status: str,
    says: str,
) -> None:
    given = [i for i in Batch().inputs() if i.name() in inputs]
    with pytest.raises(InferenceServerException, match=says) as raised:
        infer(MODEL, given, response_compression_algorithm="gzip", **options)
    assert raised.value.status() == status


def test_what_is_not_implemented_is_said(client: triton.InferenceServerClient) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: client.load_model(MODEL),
        lambda: client.unload_model(MODEL),
        lambda: client.get_trace_settings(),
        lambda: client.update_trace_settings(MODEL, {"trace_level": ["OFF"]}),
        lambda: client.get_log_settings(),
        lambda: client.update_log_settings({"log_info": True}),
        lambda: client.get_system_shared_memory_status(),
        lambda: client.register_system_shared_memory("region", "/key", 64),
        lambda: client.unregister_system_shared_memory(),
        lambda: client.get_cuda_shared_memory_status("region"),
        lambda: client.unregister_cuda_shared_memory("region"),
    ]
    for call in calls:
        with pytest.raises(InferenceServerException, match="not implemented") as raised:
            call()
        assert raised.value.status() == "501"


def test_statistics_count(client: triton.InferenceServerClient) -> None:
    def read() -> dict[str, Any]:
        [statistics] = client.get_inference_statistics(MODEL)["model_stats"]
        return statistics

    before = read()
    client.infer(MODEL, Batch().inputs())
    with pytest.raises(InferenceServerException):
        client.infer(MODEL, Batch().inputs()[:1])
    after = read()
    assert after["inference_count"] - before["inference_count"] == 1
    for outcome in ["success", "fail"]:
        was, now = (s["inference_stats"][outcome] for s in (before, after))
        assert now["count"] - was["count"] == 1
        assert now["ns"] > was["ns"]


def test_a_large_batch_streams(client: triton.InferenceServerClient) -> None:
    logits = np.zeros((1024, 32_000), np.float32)
    inputs = [tensor("label", np.zeros(1024, np.int64)), tensor("logits", logits)]
    result = client.infer(MODEL, inputs)
    assert result.as_numpy("loss") == pytest.approx(np.log(32_000), rel=1e-6)


def test_a_large_batch_that_is_refused_shows_why(
    client: triton.InferenceServerClient,
) -> None:
    logits = np.zeros((1024, 32_000), np.float32)
    inputs = [tensor("label", np.full(1024, 32_000)), tensor("logits", logits)]
    with pytest.raises(InferenceServerException, match="32000") as raised:
        client.infer(MODEL, inputs)
    assert raised.value.status() == "422"


def with_kserve(
    service: Service, use: Callable[[Any, str], Coroutine[Any, Any, Any]]
) -> Any:
    kserve = pytest.importorskip("kserve", reason="has no release for this Python")

    async def run() -> Any:
        config = kserve.RESTConfig(protocol="v2")
        async with kserve.InferenceRESTClient(config) as client:
            return await use(client, service.url)

    return asyncio.run(run())


def kserve_infer(
    service: Service,
    batch: Batch,
    *,
    binary: bool,
    parameters: dict[str, Any] | None = None,
    names: tuple[str, ...] = ("label", "logits"),
) -> Any:
    kserve = pytest.importorskip("kserve", reason="has no release for this Python")
    arrays = {"label": batch.label, "logits": batch.logits}
    inputs = []
    for name in names:
        array = arrays[name]
        datatype = np_to_triton_dtype(array.dtype)
        one = kserve.InferInput(name, list(array.shape), datatype)
        one.set_data_from_numpy(array, binary_data=binary)
        inputs.append(one)
    request = kserve.InferRequest(
        MODEL, inputs, request_id="step-8", parameters=parameters
    )
    return with_kserve(
        service, lambda client, url: client.infer(url, request, model_name=MODEL)
    )


def test_kserve_asks_for_readiness(service: Service) -> None:
    async def ask(client: Any, url: str) -> list[Any]:
        return [
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, MODEL),
            await client.is_model_ready(url, "resnet"),
        ]

    assert with_kserve(service, ask) == [True, True, True, False]


@pytest.mark.parametrize("binary_output", [True, False])
@pytest.mark.parametrize(
    ("dtype", "binary"),
    # KServe's client has no FP16 in JSON, and no BF16.
    [
        (np.float32, True),
        (np.float64, True),
        (np.float16, True),
        (np.float32, False),
        (np.float64, False),
    ],
)
def test_kserve_calls(
    service: Service, dtype: Any, binary: bool, binary_output: bool
) -> None:
    batch = Batch(dtype)
    parameters = {"binary_data_output": binary_output, "outputs": '["lse"]'}
    response = kserve_infer(service, batch, binary=binary, parameters=parameters)
    found = {output.name: output.as_numpy() for output in response.outputs}
    assert response.id == "step-8"
    assert found["loss"] == pytest.approx(batch.loss, rel=1e-6)
    assert found["lse"].shape == (64,)


@pytest.mark.parametrize("binary_output", [True, False])
def test_kserve_gets_a_number_that_is_not_finite(
    service: Service, binary_output: bool
) -> None:
    batch = Batch()
    batch.logits[3, 5] = np.nan
    parameters = {"binary_data_output": binary_output}
    response = kserve_infer(service, batch, binary=True, parameters=parameters)
    assert np.isnan(response.get_output_by_name("loss").as_numpy()).all()


def test_kserve_shows_errors(service: Service) -> None:
    with pytest.raises(Exception, match="logits is missing.*422"):
        kserve_infer(service, Batch(), binary=True, names=("label",))
