"""The client finds the spikes that the service finds."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import pytest

from lossmeter import Monitor
from lossmeter.monitor_judge import Judge, loss_of, pair_of
from lossmeter.spike import TrailingLosses

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter import Client

STEPS = 400


def falling(random_: Random) -> list[float]:
    """A curve that falls from 10 to 2 with noise, jumps, and gaps."""
    losses = [
        2 + 8 * math.exp(-step / 100) + random_.gauss(0, 0.05) for step in range(STEPS)
    ]
    for step in random_.sample(range(STEPS), 30):
        losses[step] *= random_.choice([1.05, 1.2, 2, 10, 0.1])
    for step in random_.sample(range(STEPS), 8):
        losses[step] = random_.choice([math.nan, math.inf, -math.inf])
    return losses


def flat(random_: Random) -> list[float]:
    """A flat curve with losses at the least threshold, and just below and above it."""
    around = [2.0, 2.0, 2.0, 2.0, 2.1199999999999997, 2.12, 2.1200000000000006, 2.2]
    return [random_.choice(around) for _ in range(STEPS)]


def stepped(random_: Random) -> list[float]:
    """A curve of plateaus of random height and length."""
    losses: list[float] = []
    while len(losses) < STEPS:
        level = random_.choice([-3, 0, 1, 5, 1e-300, 1e300])
        losses += [level + random_.random()] * random_.randint(1, 50)
    return losses[:STEPS]


def around_zero(random_: Random) -> list[float]:
    """Losses of both signs, whose median is often near 0."""
    return [random_.gauss(0, 1) ** 3 for _ in range(STEPS)]


CURVES = [
    pytest.param(make, seed, id=f"{make.__name__}-{seed}")
    for make in (falling, flat, stepped, around_zero)
    for seed in range(3)
]


@pytest.mark.parametrize(("make", "seed"), CURVES)
def test_the_client_judges_every_step_as_the_service_does(
    client: Client,
    request: pytest.FixtureRequest,
    make: Callable[[Random], list[float]],
    seed: int,
) -> None:
    generator = Random(seed)  # noqa: S311 -- no secret
    losses = make(generator)
    counts = [generator.choice([1, 3, 7, 4096]) for _ in losses]
    run = client.run(request.node.name.translate({91: "-", 93: ""}))
    pairs = [pair_of(loss, count) for loss, count in zip(losses, counts, strict=True)]
    with Monitor(run.name, client) as monitor:
        for step, loss in enumerate(losses):
            monitor.step(step, loss, count=counts[step])

    trailing = TrailingLosses()
    found = []
    for pair in pairs:
        found.append(trailing.is_spike(loss_of(*pair)))
        trailing.push(loss_of(*pair))

    steps = run.steps()
    assert [each["spike"] for each in steps] == found
    # Both see the same bits, so they decide alike at a threshold.
    assert [repr(each["loss"]) for each in steps] == [repr(loss_of(*p)) for p in pairs]
    assert any(found)


def test_the_threshold_is_that_of_the_formula() -> None:
    trailing = TrailingLosses()
    # Median 8.5; the deviations from it are 0.5, 0.5, 1.5, 1.5 …, whose median is 4.
    for loss in range(1, 17):
        assert trailing.threshold() is None
        trailing.push(loss)

    assert trailing.threshold() == pytest.approx(8.5 + 6 * 1.4826 * 4, rel=1e-12)


def test_only_the_last_64_finite_losses_count() -> None:
    trailing = TrailingLosses()
    for loss in [1000.0] * 100 + [math.nan] * 10 + [1.0] * 64:
        trailing.push(loss)

    assert trailing.threshold() == pytest.approx(1.06)


def test_a_step_that_counts_nothing_is_not_wrong() -> None:
    judge = Judge(None, 8)

    assert pair_of(math.nan, 0) == (0, 0)
    assert judge.reason(0, *pair_of(math.nan, 0)) is None
    assert judge.reason(1, math.nan, 1.0) == "non_finite"
    assert judge.reason(2, 1.0, 0.0) == "non_finite"
    assert loss_of(-1.0, 0.0) == -math.inf


def test_of_many_bad_steps_in_a_row_the_first_ones_send_their_logits() -> None:
    judge = Judge(None, 2)

    reasons = [judge.reason(step, math.nan, 1.0) for step in range(4)]
    reasons += [judge.reason(4, 1.0, 1.0), judge.reason(5, math.inf, 1.0)]

    assert reasons == ["non_finite", "non_finite", None, None, None, "non_finite"]


def test_of_the_good_steps_some_are_sampled() -> None:
    judge = Judge(3, 8)

    reasons = [judge.reason(step, 1.0, 1.0) for step in range(5)]

    assert reasons == ["sample", None, None, "sample", None]
