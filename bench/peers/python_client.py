"""Measures the time of the Python client against http.client, and its memory.

    python python_client.py time PORT ROUNDS     {"bare": [s, …], "client": [s, …]}
    python python_client.py memory PORT          {"loss": bytes, "gradient": bytes}
"""

import http.client
import json
import sys
import time
from pathlib import Path

import numpy as np
from lossmeter import Client
from lossmeter.batch import Batch

ROWS, CLASSES = 1024, 32000
WARM_UP_ROUNDS = 4

port = int(sys.argv[2])
logits = np.empty((ROWS, CLASSES), np.float32)
np.random.default_rng(0).standard_normal(out=logits, dtype=np.float32)
label = np.arange(ROWS)
client = Client(f"http://127.0.0.1:{port}")


def times(rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of both clients, in turn. The body of http.client is prepared."""
    body = b"".join(Batch(logits, label, None, None, {}).body().chunks())
    headers = {"Content-Type": "application/vnd.safetensors"}
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def bare() -> float:
        connection.request("POST", "/v1/cross-entropy", body, headers)
        return json.load(connection.getresponse())["loss"]

    def own() -> float:
        return client.cross_entropy(logits, label).loss

    seconds = {"bare": [], "client": []}
    losses = set()
    for _ in range(WARM_UP_ROUNDS + rounds):
        for name, post in (("bare", bare), ("client", own)):
            started = time.perf_counter()
            losses.add(post())
            seconds[name].append(time.perf_counter() - started)
    if len(losses) != 1:
        raise SystemExit(f"losses differ: {losses}")
    return {name: values[WARM_UP_ROUNDS:] for name, values in seconds.items()}


def memory() -> dict[str, int]:
    """Returns the peak bytes of a request, without the arrays it receives and returns."""
    client.cross_entropy(logits[:2], label[:2], outputs=["gradient"])
    taken = {}
    for name, outputs in (("loss", []), ("gradient", ["gradient"])):
        # Resets VmHWM, the peak, to the current resident memory.
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        evaluation = client.cross_entropy(logits, label, outputs=outputs)
        returned = sum(array.nbytes for array in evaluation.outputs.values())
        taken[name] = resident("VmHWM") - before - returned
        del evaluation
    return taken


def resident(field: str) -> int:
    (line,) = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith(f"{field}:")
    ]
    return int(line.split()[1]) * 1024


print(json.dumps(times(int(sys.argv[3])) if sys.argv[1] == "time" else memory()))
