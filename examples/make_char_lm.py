"""Train a small character model and write one held-out batch of its logits.

    pip install numpy msgpack safetensors
    python make_char_lm.py        # writes char-lm.safetensors and char-lm.msgpack

The text is the part of the Python language reference that every CPython
carries for `help()`. The figures printed last are the ones in examples/README.md.
"""

import json
import math
import string
from pathlib import Path
from pydoc_data.topics import topics

import msgpack
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

CONTEXT, EMBED, HIDDEN = 8, 32, 512
EPOCHS, BATCH, PEAK_RATE, DECAY, SEED = 6, 256, 2e-3, 0.1, 0
# Many topics repeat others word for word, so the end of the text, say, would not
# be held out at all. The nine short topics from "await" on are nearly free of
# such repeats; repeated_share() measures what is left.
HELD_OUT_FROM, HELD_OUT = "await", 8192

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Params = dict[str, Floats]


def encode(text: str) -> tuple[Ints, int]:
    """Class of every character, and the class that stands for all unknown ones."""
    vocabulary = sorted(set(text) & set(string.printable))
    index = {char: i for i, char in enumerate(vocabulary)}
    unknown = len(vocabulary)
    return np.array([index.get(char, unknown) for char in text], dtype=np.int64), unknown


def repeated_share(text: str, start: int, width: int = 50) -> float:
    """Share of the held-out windows of `width` characters that training also saw."""
    held_out = text[start : start + HELD_OUT]
    rest = text[:start] + "\0" + text[start + HELD_OUT :]
    windows = [held_out[i : i + width] for i in range(HELD_OUT - width + 1)]
    return sum(window in rest for window in windows) / len(windows)


def forward(p: Params, context: Ints) -> tuple[Floats, Floats, Floats]:
    """The two inputs of the matrix products, and the logits."""
    x = p["embed"][context].reshape(len(context), -1)
    h = np.tanh(x @ p["w1"] + p["b1"])
    return x, h, h @ p["w2"] + p["b2"]


def gradients(p: Params, context: Ints, target: Ints) -> Params:
    """Gradients of the mean cross-entropy."""
    x, h, logits = forward(p, context)
    d = np.exp(logits - logits.max(axis=1, keepdims=True))
    d /= d.sum(axis=1, keepdims=True)
    d[np.arange(len(target)), target] -= 1
    d /= len(target)
    dh = (d @ p["w2"].T) * (1 - h * h)
    dx = (dh @ p["w1"].T).reshape(-1, EMBED)
    # A one-hot product adds up repeated characters, much faster than np.add.at.
    one_hot = np.eye(len(p["embed"]), dtype=np.float32)[context.ravel()]
    return {"embed": one_hot.T @ dx, "w1": x.T @ dh, "b1": dh.sum(axis=0),
            "w2": h.T @ d, "b2": d.sum(axis=0)}


def train(contexts: Ints, targets: Ints, classes: int) -> Params:
    """AdamW; the rate falls from PEAK_RATE to zero along half a cosine."""
    rng = np.random.default_rng(SEED)

    def normal(rows: int, columns: int, std: float) -> Floats:
        return rng.standard_normal((rows, columns), dtype=np.float32) * std

    inputs = CONTEXT * EMBED
    p = {"embed": normal(classes, EMBED, 1.0),
         "w1": normal(inputs, HIDDEN, inputs**-0.5), "b1": np.zeros(HIDDEN, np.float32),
         "w2": normal(HIDDEN, classes, HIDDEN**-0.5), "b2": np.zeros(classes, np.float32)}
    mean = {name: np.zeros_like(w) for name, w in p.items()}
    square = {name: np.zeros_like(w) for name, w in p.items()}
    batches = len(targets) // BATCH
    for epoch in range(EPOCHS):
        order = rng.permutation(len(targets))
        for i in range(batches):
            pick = order[i * BATCH : (i + 1) * BATCH]
            step = epoch * batches + i + 1
            rate = PEAK_RATE * (1 + math.cos(math.pi * step / (EPOCHS * batches))) / 2
            unbias = math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            for name, g in gradients(p, contexts[pick], targets[pick]).items():
                mean[name] += 0.1 * (g - mean[name])
                square[name] += 0.001 * (g * g - square[name])
                update = unbias * mean[name] / (np.sqrt(square[name]) + 1e-8)
                p[name] -= rate * (update + DECAY * p[name])
        print(f"epoch {epoch + 1} of {EPOCHS}", flush=True)
    return p


def cross_entropy(logits: NDArray[np.floating], label: Ints, mask: Bools) -> tuple[float, float]:
    """Numerator and denominator of the masked mean, in float64."""
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(label)), label]
    return float(losses[mask].sum()), float(mask.sum())


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """In the given order: a streaming reader wants the label before the logits,
    whereas safetensors.numpy.save_file chooses an order of its own."""
    names = {"int64": "I64", "bool": "BOOL", "float32": "F32"}
    header: dict[str, object] = {"__metadata__": {"format": "lossmeter", "options": "{}"}}
    end = 0
    for name, t in tensors.items():
        header[name] = {"dtype": names[t.dtype.name], "shape": t.shape,
                        "data_offsets": [end, end := end + t.nbytes]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors start aligned
    data = b"".join(t.tobytes() for t in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def main() -> None:
    text = "".join(topics[key] for key in sorted(topics))
    ids, unknown = encode(text)
    classes = unknown + 1

    # "Unknown" is no particular character, so predicting it means nothing; and in
    # the first CONTEXT characters of a topic the model would still be looking at
    # the end of an unrelated one. Both are left out of training and of the loss.
    counts = ids != unknown
    starts, at = {}, 0
    for key in sorted(topics):
        starts[key] = at
        counts[at : at + CONTEXT] = False
        at += len(topics[key])

    padded = np.concatenate([np.full(CONTEXT, unknown), ids])
    contexts = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT)[:-1]
    start = starts[HELD_OUT_FROM]
    held_out = slice(start, start + HELD_OUT)
    seen = counts.copy()
    seen[held_out] = False

    p = train(contexts[seen], ids[seen], classes)
    label, mask, logits = ids[held_out], counts[held_out], forward(p, contexts[held_out])[2]

    here = Path(__file__).parent
    tensors = {"label": label, "input_mask": mask, "logits": logits}
    write_safetensors(here / "char-lm.safetensors", tensors)
    read_back = load_file(here / "char-lm.safetensors")
    assert all(np.array_equal(read_back[name], t) for name, t in tensors.items())
    packed = {name: {"dtype": t.dtype.name, "shape": list(t.shape), "data": t.tobytes()}
              for name, t in tensors.items()}
    (here / "char-lm.msgpack").write_bytes(msgpack.packb(packed))

    pairs = np.ones((classes, classes))  # add-one counts of (previous, next) characters
    np.add.at(pairs, (contexts[seen, -1], ids[seen]), 1)
    bigram, count = cross_entropy(np.log(pairs)[contexts[held_out, -1]], label, mask)
    numerator, denominator = cross_entropy(logits, label, mask)
    loss = numerator / (denominator + 1e-8)
    print(f"classes      {classes}")
    print(f"counted      {mask.sum()} of {HELD_OUT}")
    print(f"repeated     {repeated_share(text, start):.1%} of 50-character windows")
    print(f"bigram loss  {bigram / count:.4f}")
    print(f"loss         {loss:.12g}")
    print(f"numerator    {numerator:.12g}")
    print(f"denominator  {denominator:.12g}")
    print(f"perplexity   {math.exp(numerator / denominator):.12g}")


if __name__ == "__main__":
    main()
