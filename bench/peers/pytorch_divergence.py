"""Times the Kullback-Leibler divergence of PyTorch on one thread.

The first line of standard input is the shape (rows, classes) as JSON. The bytes of the float32 logits of the reference
follow, and those of the model. Then each line is answered by a line of JSON: the time, and the divergence of each row.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F


def main() -> None:
    torch.set_num_threads(1)
    stdin = sys.stdin.buffer
    rows, classes = json.loads(stdin.readline())

    def tensor() -> torch.Tensor:
        # Clones into memory that PyTorch allocates.
        read = torch.frombuffer(bytearray(stdin.read(4 * rows * classes)), dtype=torch.float32).clone()
        return read.reshape(rows, classes)

    reference, logits = tensor(), tensor()
    for _ in iter(stdin.readline, b""):
        with torch.inference_mode():
            started = time.perf_counter()
            p, q = F.log_softmax(reference, -1), F.log_softmax(logits, -1)
            divergences = F.kl_div(q, p, log_target=True, reduction="none").sum(-1)
            milliseconds = 1000 * (time.perf_counter() - started)
        print(json.dumps({"milliseconds": milliseconds, "divergences": divergences.tolist()}), flush=True)


main()
