"""Times the cross entropy of PyTorch on one thread.

The first line of standard input is the shape (rows, classes) as JSON. The bytes of the float32 logits follow, and those
of the int32 labels. Then each line is an action to time, which is answered by a line of JSON.
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
    # Clones into memory that PyTorch allocates.
    logits = torch.frombuffer(bytearray(stdin.read(4 * rows * classes)), dtype=torch.float32).clone()
    logits = logits.reshape(rows, classes)
    labels = torch.frombuffer(bytearray(stdin.read(4 * rows)), dtype=torch.int32).long()

    def forward() -> dict:
        with torch.inference_mode():
            started = time.perf_counter()
            loss = F.cross_entropy(logits, labels).item()
            return {"milliseconds": 1000 * (time.perf_counter() - started), "loss": loss}

    def backward() -> dict:
        leaf = logits.detach().requires_grad_()
        started = time.perf_counter()
        loss = F.cross_entropy(leaf, labels)
        loss.backward()
        milliseconds = 1000 * (time.perf_counter() - started)
        at_label = leaf.grad[torch.arange(rows), labels]
        return {"milliseconds": milliseconds, "loss": loss.item(), "gradient": at_label.tolist()}

    actions = {"forward": forward, "backward": backward}
    for line in iter(stdin.readline, b""):
        print(json.dumps(actions[line.decode().strip()]()), flush=True)


main()
