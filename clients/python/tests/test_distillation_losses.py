"""TRL and Liger have the same divergences, and divide them by different numbers.

| loss                              | divides by                                       |
| --------------------------------- | ------------------------------------------------ |
| TRL `batchmean` with labels       | tokens that count, at least 1                    |
| TRL `batchmean` without labels    | B, the sequences, not the tokens                 |
| TRL `num_items_in_batch`          | that number: tokens of all micro-batches         |
| TRL `sum`                         | 1                                                |
| TRL `mean`                        | tokens that count × classes                      |
| Liger `LigerJSD`                  | tokens that count; B·T without labels            |
| Liger `LigerFusedLinearJSDLoss`   | tokens that count, at least 1                    |
| Lossmeter `mean`                  | Σ m over counted rows, by the profile            |

None multiplies by the square of the temperature. TRL's and Liger's losses are forward
KL at β = 0 and reverse KL at β = 1, and so is `jensen_shannon` here.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter import Client, Comparison

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="TRL and Liger are installed on Linux only"
)

BATCH, LENGTH, CLASSES = 3, 7, 37
BETAS = [0.0, 0.1, 0.5, 0.9, 1.0]


class Pair:
    """A student and a teacher in float64, with labels; some of these are ignored."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        generator = torch.Generator().manual_seed(5)
        shape = (BATCH, LENGTH, CLASSES)
        self.teacher = (2 * torch.randn(shape, generator=generator)).to(dtype)
        noise = torch.randn(shape, generator=generator)
        self.student = (self.teacher + noise).to(dtype).requires_grad_()
        self.label = torch.randint(CLASSES, shape[:-1], generator=generator)
        self.label[0, :3] = self.label[2, 4:] = -100

    def gradient(self, loss: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(loss, self.student)
        return gradient

    def compared(self, client: Client, *, labelled: bool, **options: Any) -> Comparison:  # noqa: ANN401 -- options
        return client.kl_divergence(
            self.teacher,
            self.student,
            label=self.label if labelled else None,
            outputs=["gradient"],
            semantics="torch",
            **options,
        )


@pytest.fixture(scope="module")
def generalized_jsd_loss() -> Callable[..., Tensor]:
    """GKDTrainer.generalized_jsd_loss, without the trainer around it."""
    (path,) = (
        file.locate()
        for file in importlib.metadata.files("trl") or []
        if file.name == "gkd_trainer.py"
    )
    tree = ast.parse(path.read_text())  # type: ignore[attr-defined]
    (function,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "generalized_jsd_loss"
    )
    function.decorator_list = []
    module: dict[str, Any] = {"torch": torch, "F": functional}
    exec(compile(ast.Module([function], []), str(path), "exec"), module)  # noqa: S102
    loss: Callable[..., Tensor] = module["generalized_jsd_loss"]
    return loss


@pytest.fixture(scope="module")
def liger(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 -- arrays by name
    """Losses and gradients that Liger computes, by their names."""
    folder = tmp_path_factory.mktemp("liger")
    pair = Pair(torch.float32)
    np.savez(
        folder / "pair.npz",
        student=pair.student.detach().flatten(0, 1).numpy(),
        teacher=pair.teacher.flatten(0, 1).numpy(),
        label=pair.label.flatten().numpy(),
        betas=BETAS,
    )
    script = Path(__file__).with_name("liger_losses.py")
    subprocess.run(
        [sys.executable, script, folder / "pair.npz", folder / "losses.npz"],
        check=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        timeout=120,
    )
    return np.load(folder / "losses.npz")


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("labelled", [True, False])
def test_trl(
    client: Client,
    generalized_jsd_loss: Callable[..., Tensor],
    beta: float,
    temperature: float,
    labelled: bool,
) -> None:
    pair = Pair()
    ours = pair.compared(
        client,
        labelled=labelled,
        direction="jensen_shannon",
        beta=beta,
        logit_scale=1 / temperature,
        reduction="sum",
    )
    tokens = int((pair.label != -100).sum()) if labelled else BATCH * LENGTH
    conventions: list[tuple[dict[str, Any], float]] = [
        ({}, tokens if labelled else BATCH),
        ({"num_items_in_batch": 40}, 40),
        ({"reduction": "sum"}, 1),
        ({"reduction": "mean"}, tokens * CLASSES),
    ]
    for arguments, divisor in conventions:
        theirs = generalized_jsd_loss(
            pair.student,
            pair.teacher,
            labels=pair.label if labelled else None,
            beta=beta,
            temperature=temperature,
            **arguments,
        )
        assert theirs.item() == pytest.approx(ours.numerator / divisor, rel=1e-12)
        torch.testing.assert_close(
            pair.gradient(theirs),
            torch.from_numpy(ours.outputs["gradient"]) / divisor,
            rtol=1e-10,
            atol=1e-15,
        )
    if labelled:
        assert ours.denominator == tokens


@pytest.mark.parametrize("loss", ["kernel labelled", "kernel", "fused labelled"])
@pytest.mark.parametrize("beta", BETAS)
def test_liger(client: Client, liger: Any, beta: float, loss: str) -> None:  # noqa: ANN401 -- arrays by name
    labelled = loss.endswith("labelled")
    ours = Pair(torch.float32).compared(
        client, labelled=labelled, direction="jensen_shannon", beta=beta
    )

    # Liger computes in float32.
    assert liger[f"{loss} {beta} loss"] == pytest.approx(ours.loss, rel=1e-6)
    np.testing.assert_allclose(
        liger[f"{loss} {beta} gradient"].reshape(BATCH, LENGTH, CLASSES),
        ours.outputs["gradient"],
        rtol=1e-5,
        atol=1e-8,
    )
