"""Computes Liger's losses: `python liger_losses.py PAIR.npz LOSSES.npz`.

Its Triton kernels are interpreted, because there is no GPU. TRITON_INTERPRET must be
set before Triton is imported, so this is a separate process.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss
from liger_kernel.transformers.jsd import LigerJSD


def main(given: str, made: str) -> None:
    """Reads logits and labels, and writes losses and gradients by their names."""
    pair = np.load(given)
    teacher, label = (torch.from_numpy(pair[name]) for name in ("teacher", "label"))
    # The identity as a linear layer.
    weight = torch.eye(teacher.shape[-1])
    losses = {}
    for beta in pair["betas"].tolist():
        fused = LigerFusedLinearJSDLoss(
            weight_hard_loss=0.0, weight_soft_loss=1.0, beta=beta, compiled=False
        )
        log_p = torch.log_softmax(teacher, -1)
        for name in ("kernel labelled", "kernel", "fused labelled"):
            student = torch.from_numpy(pair["student"]).requires_grad_()
            if name.startswith("kernel"):
                log_q = torch.log_softmax(student, -1)
                target = label if name.endswith("labelled") else None
                loss = LigerJSD(beta=beta)(log_q, log_p, target)
            else:
                loss = fused(student, weight, teacher, weight, label)
            (gradient,) = torch.autograd.grad(loss, student)
            losses[f"{name} {beta} loss"] = loss.detach().numpy()
            losses[f"{name} {beta} gradient"] = gradient.numpy()
    np.savez(made, **losses)


if __name__ == "__main__":
    main(*sys.argv[1:])
