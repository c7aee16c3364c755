"""Batches in files are evaluated as they lie there."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from batches import CONFIDENT_LABEL, CONFIDENT_LOGITS, KNOWN_LABEL, KNOWN_LOGITS
from service import ROOT

from lossmeter.files import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lossmeter import Client

CONFIDENT = {"logits": CONFIDENT_LOGITS, "label": CONFIDENT_LABEL}
KNOWN = {"logits": KNOWN_LOGITS, "label": KNOWN_LABEL.astype(np.int8)}

CHAR_LM = ROOT / "examples" / "char-lm.safetensors"


def save(path: Path, tensors: dict[str, Any], **options: object) -> Path:
    """Saves a file by the library, which puts narrow labels after the logits."""
    metadata = {"options": json.dumps(options)} if options else None
    safetensors.numpy.save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ""])
def test_a_file_is_evaluated_as_its_arrays_are(
    client: Client, tmp_path: Path, suffix: str
) -> None:
    batch: dict[str, NDArray[Any]] = {
        **KNOWN,
        "input_mask": np.array([1, 0, 2]),
        "weight": np.arange(1.0, 6.0),
    }
    path = tmp_path / f"batch{suffix}"
    if suffix == ".npz":
        np.savez_compressed(path, **batch)  # type: ignore[arg-type]
    else:
        save(path, batch)

    evaluation = client.evaluate_file(path)

    assert evaluation == client.cross_entropy(*batch.values())
    assert client.evaluate_file(str(path)) == evaluation


def test_the_library_puts_these_labels_after_the_logits(tmp_path: Path) -> None:
    content = save(tmp_path / "batch.safetensors", KNOWN).read_bytes()

    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["label"]["data_offsets"] > header["logits"]["data_offsets"]


def test_the_example_has_the_loss_that_it_says(client: Client) -> None:
    evaluation = client.evaluate_file(CHAR_LM)

    assert evaluation.loss == pytest.approx(1.331238290743388, rel=0, abs=1e-12)
    assert evaluation.denominator == 8113


def test_a_file_of_bfloat16_is_evaluated(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "batch.safetensors"
    logits = torch.tensor(KNOWN_LOGITS, dtype=torch.bfloat16)
    safetensors.torch.save_file(
        {"logits": logits, "label": torch.tensor([1, 4, 0])}, path
    )

    evaluation = client.evaluate_file(path)

    assert evaluation == client.cross_entropy(logits, KNOWN_LABEL)


def test_a_file_is_not_read_into_memory(tmp_path: Path) -> None:
    batch = batch_of(save(tmp_path / "batch.safetensors", KNOWN), {})

    assert isinstance(batch.logits, np.ndarray)
    assert not batch.logits.flags.owndata
    assert not batch.logits.flags.writeable


def test_options_may_lie_in_the_file_and_be_given_in_their_place(
    client: Client, tmp_path: Path
) -> None:
    path = save(tmp_path / "a", CONFIDENT, semantics="torch", logit_scale=0.5)

    assert client.evaluate_file(path).loss == pytest.approx(33.5)
    assert client.evaluate_file(path, logit_scale=1.0).loss == pytest.approx(67)


def test_files_are_evaluated_in_their_order(client: Client, tmp_path: Path) -> None:
    paths = [save(tmp_path / "a", KNOWN), save(tmp_path / "b", CONFIDENT)]

    evaluations = client.evaluate_files(iter(paths), semantics="torch", reduction="sum")

    assert [evaluation.rows["total"] for evaluation in evaluations] == [3, 1]
    assert evaluations[1].loss == pytest.approx(67)
    assert client.evaluate_files([]) == []


def npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, KNOWN_LOGITS)


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, logits=KNOWN_LOGITS, label=KNOWN_LABEL)


def pt(path: Path) -> None:
    torch.save({"logits": torch.tensor(KNOWN_LOGITS)}, path)


def old_pt(path: Path) -> None:
    tensors = {"logits": torch.tensor(KNOWN_LOGITS)}
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def gguf(path: Path) -> None:
    path.write_bytes(b"GGUF\x03\0\0\0" + bytes(400))


@pytest.mark.parametrize("length", [632, 640, 896, 1152, 1408])
def test_a_safetensors_file_whose_length_begins_like_a_pickle_is_read(
    client: Client, tmp_path: Path, length: int
) -> None:
    logits = np.array(KNOWN_LOGITS, dtype=np.float32)
    label = np.zeros(len(logits), dtype=np.int64)
    end = logits.nbytes
    header = {
        "logits": {"dtype": "F32", "shape": logits.shape, "data_offsets": [0, end]},
        "label": {
            "dtype": "I64",
            "shape": label.shape,
            "data_offsets": [end, end + label.nbytes],
        },
    }
    text = json.dumps(header).encode().ljust(length)
    path = tmp_path / "batch.safetensors"
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + logits.tobytes() + label.tobytes()
    )

    assert client.evaluate_file(path).rows["total"] == len(logits)


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (npy, r"an array of NumPy \(\.npy\)"),
        (npz, r"an archive of NumPy \(\.npz\)"),
        (pt, r"a file of PyTorch \(\.pt\)"),
        (old_pt, "a pickle of Python, as old .pt files are"),
        (gguf, r"a model in GGUF \(\.gguf\)"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_a_file_of_another_kind_is_named(
    client: Client,
    tmp_path: Path,
    write: Callable[[Path], None],
    kind: str,
    suffix: str,
) -> None:
    path = tmp_path / f"batch{suffix}"
    write(path)

    if write is npz and suffix == ".npz":
        assert client.evaluate_file(path).rows["total"] == 3
        return
    with pytest.raises(ValueError, match=f"batch{suffix} is {kind}, expected a safe"):
        client.evaluate_file(path)


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({}, "no tensor"),
        ({"logits": CONFIDENT_LOGITS}, "logits"),
        ({"label": CONFIDENT_LABEL}, "label"),
        ({"logits": CONFIDENT_LOGITS, "labels": CONFIDENT_LABEL}, "labels"),
    ],
)
@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_a_file_without_a_batch_is_refused(
    client: Client, tmp_path: Path, tensors: dict[str, Any], found: str, suffix: str
) -> None:
    path = tmp_path / f"batch.{suffix}"
    if suffix == "npz":
        np.savez(path, **tensors)
    else:
        save(path, tensors)

    words = (
        rf"batch\.{suffix} does not hold a batch: it has .*{found}.*, "
        "expected logits, label and, optionally, "
    )
    with pytest.raises(ValueError, match=words):
        client.evaluate_file(path)


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_tensors_may_have_other_names_and_others_beside_them(
    client: Client, tmp_path: Path, suffix: str
) -> None:
    batch = {
        "scores": KNOWN_LOGITS,
        "targets": KNOWN_LABEL.astype(np.int8),
        "label": np.full(7, 99),
        "hidden_states": np.zeros((2, 2, 2)),
    }
    path = tmp_path / f"batch.{suffix}"
    if suffix == "npz":
        np.savez(path, **batch, names=np.array([object()]))  # type: ignore[arg-type]
    else:
        save(path, batch)
    names = {"logits": "scores", "label": "targets"}

    evaluation = client.evaluate_file(path, tensors=names)

    assert evaluation == client.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL)
    assert client.evaluate_files(path, tensors=names) == [evaluation]
    with pytest.raises(ValueError, match="expected target, which is to be the weight"):
        client.evaluate_file(path, tensors={**names, "weight": "target"})
    with pytest.raises(ValueError, match="labels is no tensor of a batch, expected on"):
        client.evaluate_file(path, tensors={"labels": "targets"})


def test_only_the_tensors_of_the_batch_have_to_be_known(
    client: Client, tmp_path: Path
) -> None:
    header = {
        "__metadata__": None,
        "scales": {"dtype": "F8_E8M0", "shape": [3], "data_offsets": [0, 3]},
        "label": {"dtype": "I8", "shape": [1], "data_offsets": [3, 4]},
        "logits": {"dtype": "F32", "shape": [1, 2], "data_offsets": [4, 12]},
    }
    text = b" " + json.dumps(header).encode()
    path = tmp_path / "batch.safetensors"
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + bytes(3) + b"\1" + bytes(8)
    )

    assert client.evaluate_file(path).loss == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="scales has the dtype F8_E8M0, which is not"):
        client.evaluate_file(path, tensors={"weight": "scales"})


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(8)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        pytest.param("a.safetensors", truncate, id="cut off"),
        pytest.param("a.safetensors", lambda p: p.write_bytes(b""), id="empty"),
        pytest.param("a.safetensors", lambda p: p.write_text("step,loss\n"), id="text"),
        pytest.param("a.npz", truncate, id="npz cut off"),
        pytest.param("a.npz", spoil, id="npz spoilt"),
        pytest.param("compressed.npz", spoil, id="npz spoilt within its compression"),
        pytest.param("a.npz", lambda p: p.write_bytes(b""), id="npz empty"),
        pytest.param("a.npz", lambda p: p.write_bytes(b"PK\3\4"), id="npz begun"),
        pytest.param("a.npz", lambda p: p.write_text("step,loss\n"), id="npz of text"),
    ],
)
def test_what_is_no_file_of_a_batch_is_refused_by_its_name(
    client: Client, tmp_path: Path, name: str, spoil: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    logits = np.random.default_rng(0).normal(size=(100, 50))
    batch = {"logits": logits, "label": np.arange(100) % 50}
    if name == "compressed.npz":
        np.savez_compressed(path, **batch)  # type: ignore[arg-type]
    elif name.endswith(".npz"):
        np.savez(path, **batch)  # type: ignore[arg-type]
    else:
        save(path, batch)
    spoil(path)

    with pytest.raises(ValueError, match=f"{path} does not hold a batch: "):
        client.evaluate_file(path)


def test_objects_are_not_unpickled(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "batch.npz"
    np.savez(path, logits=np.array([{}]), label=CONFIDENT_LABEL)

    with pytest.raises(ValueError, match="does not hold a batch"):
        client.evaluate_file(path)


@pytest.mark.parametrize("options", ["{", "[]", "[1]", "7", '"torch"', "null"])
def test_options_that_are_none_are_refused_by_the_name_of_the_file(
    client: Client, tmp_path: Path, options: str
) -> None:
    path = tmp_path / "batch.safetensors"
    safetensors.numpy.save_file(CONFIDENT, path, {"options": options})

    with pytest.raises(ValueError, match=f"{path} does not hold a batch: "):
        client.evaluate_file(path)


def test_a_file_that_cannot_be_read_is_the_error_of_the_system(
    client: Client, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="there-is-none"):
        client.evaluate_file(tmp_path / "there-is-none")
    with pytest.raises(FileNotFoundError, match="there-is-none"):
        client.evaluate_file(tmp_path / "there-is-none.npz")
    with pytest.raises(IsADirectoryError):
        client.evaluate_file(tmp_path)


def test_a_nan_in_a_file_is_found(client: Client, tmp_path: Path) -> None:
    logits = KNOWN_LOGITS.copy()
    logits[2, 4] = np.nan

    evaluation = client.evaluate_file(save(tmp_path / "a", {**KNOWN, "logits": logits}))

    assert math.isnan(evaluation.numerator)
    assert "row 2, class 4" in evaluation.summary
