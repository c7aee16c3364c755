"""Posts the example with clients that encode it themselves: encode.py URL EXAMPLE CLIENT."""

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import requests
import safetensors.numpy
import tritonclient.http as triton
from tritonclient.utils import np_to_triton_dtype

MODEL = "cross_entropy"
Arrays = dict[str, Any]


def with_msgpack_numpy(url: str, arrays: Arrays) -> Iterator[tuple[str, float]]:
    media_type = "application/vnd.msgpack"
    body = msgpack.packb(arrays, default=msgpack_numpy.encode)
    for accept in (media_type, "application/json"):
        response = requests.post(
            f"{url}/v1/cross-entropy",
            data=body,
            headers={"Content-Type": media_type, "Accept": accept},
            timeout=60,
        )
        response.raise_for_status()
        answer = (
            response.json()
            if accept.endswith("json")
            else msgpack.unpackb(response.content, object_hook=msgpack_numpy.decode)
        )
        yield accept, answer["loss"]


def with_tritonclient(url: str, arrays: Arrays) -> Iterator[tuple[str, float]]:
    for binary in (True, False):
        inputs = [
            triton.InferInput(
                name, list(array.shape), np_to_triton_dtype(array.dtype)
            ).set_data_from_numpy(array, binary_data=binary)
            for name, array in arrays.items()
        ]
        for compression in (None, "gzip", "deflate"):
            with triton.InferenceServerClient(url.removeprefix("http://")) as client:
                result = client.infer(
                    MODEL,
                    inputs,
                    request_compression_algorithm=compression,
                    response_compression_algorithm=compression,
                )
            loss = result.as_numpy("loss").item()
            yield f"{'binary' if binary else 'json'}, {compression}", loss


def with_kserve(url: str, arrays: Arrays) -> Iterator[tuple[str, float]]:
    # It has releases for some versions of Python only.
    import kserve

    async def infer(binary: bool) -> float:
        inputs = []
        for name, array in arrays.items():
            datatype = np_to_triton_dtype(array.dtype)
            one = kserve.InferInput(name, list(array.shape), datatype)
            one.set_data_from_numpy(array, binary_data=binary)
            inputs.append(one)
        config = kserve.RESTConfig(protocol="v2", timeout=60)
        async with kserve.InferenceRESTClient(config) as client:
            request = kserve.InferRequest(MODEL, inputs)
            response = await client.infer(url, request, model_name=MODEL)
        loss: float = response.get_output_by_name("loss").as_numpy().item()
        return loss

    for binary in (True, False):
        yield "binary" if binary else "json", asyncio.run(infer(binary))


CLIENTS = {
    "msgpack-numpy": with_msgpack_numpy,
    "tritonclient": with_tritonclient,
    "kserve": with_kserve,
}

if __name__ == "__main__":
    url, example, client = sys.argv[1:]
    arrays = safetensors.numpy.load_file(example)
    arrays["logits"] = np.ascontiguousarray(arrays.pop("logits"))
    for name, loss in CLIENTS[client](url, arrays):
        print(name, 200, json.dumps({"loss": loss}), sep="\t")
