"""Plots a run: the loss of each step, the range of its ranks, and what is not finite.

    pip install matplotlib ../clients/python
    python plot_run.py RUN [PICTURE]

Editors that know `# %%` run it cell by cell, as a notebook.
"""

# %% Which run, and where the picture goes; in a notebook, write them here.
import math
import sys

import matplotlib.pyplot as plt

from lossmeter import Client

RUN = next(iter(sys.argv[1:]), "char-gru")
PICTURE = next(iter(sys.argv[2:]), f"{RUN}.png")

# %% The curve. About a thousand steps show the range of as many as there are, and all
# that are not finite are among them.
with Client() as client:
    summary = client.run(RUN).summary()
    curve = client.run(RUN).steps(max_points=1000)

# %% The loss over all ranks as a line, over the range of what each has on its own.
nothing = {"min": math.nan, "max": math.nan}
ranges = [point.get("rank_losses", nothing) for point in curve]
steps = [point["step"] for point in curve]
losses = [p["loss"] if math.isfinite(p["loss"]) else math.nan for p in curve]

figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
axes.plot(steps, losses, linewidth=1, label="all ranks")
axes.fill_between(
    steps,
    [of_ranks["min"] for of_ranks in ranges],
    [of_ranks["max"] for of_ranks in ranges],
    alpha=0.3,
    label="least to greatest rank",
)

# %% Where it is not finite: lines from the bottom to the top.
broken = [point for point in curve if point["non_finite"]]
if broken:
    axes.vlines(
        [point["step"] for point in broken],
        0,
        1,
        transform=axes.get_xaxis_transform(),
        colors="tab:red",
        linewidth=1,
        label="not finite",
    )
for point in broken:
    print(point.get("summary"))

# %%
labels = ", ".join(f"{name} {value}" for name, value in summary["labels"].items())
axes.set_title(f"{RUN} ({labels})" if labels else RUN)
axes.set_xlabel("step")
axes.set_ylabel("loss in nats")
axes.grid(alpha=0.3)
axes.legend()
figure.savefig(PICTURE, dpi=150)
print(f"{summary['steps']} steps in {PICTURE}")
