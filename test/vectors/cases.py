"""Which cases the vectors have. A case's numbers are drawn by a generator seeded with its name."""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from formulas import Case, Options
from torch import Tensor

NARROW_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

# Probabilities are multiples of 1/128, and they, weights and masks have at most 8 significant
# bits: every dtype holds them exactly, bfloat16 too.
PARTS = 128

INF, NAN = math.inf, math.nan

REDUCTIONS = ["mean", "sum", "none", "pair"]
MASKS = ["none", "0/1", "fractional"]

Factors = dict[str, Sequence[Any]]
Choice = dict[str, Any]


def covering(factors: Factors, strength: int) -> Iterator[Choice]:
    """A few choices in which all values of any `strength` factors meet, found greedily."""
    groups = list(itertools.combinations(range(len(factors)), strength))
    every = list(itertools.product(*factors.values()))

    def meetings(values: tuple[Any, ...]) -> set[tuple[Any, ...]]:
        return {(group, *(repr(values[k]) for k in group)) for group in groups}

    meetings_of = [meetings(values) for values in every]
    left = set().union(*meetings_of)
    while left:
        best = max(range(len(every)), key=lambda k: len(left & meetings_of[k]))
        left -= meetings_of[best]
        yield dict(zip(factors, every[best], strict=True))


def draw(choice: Choice, prefix: str = "") -> Case:
    """A case with the chosen factors: options under their own names, and what is not an option."""
    name = prefix + ", ".join(f"{key} {value}" for key, value in choice.items())
    rng = random.Random(name)
    *shape, c = choice.get("shape") or (choice["N"], choice["C"])
    n = math.prod(shape)
    options = options_of(choice)
    if choice.get("label") == "probabilities":
        label = probabilities(rng, n, c)
        if choice.get("sums") == "other":
            label[0], label[-1] = (
                probabilities(rng, 1, c, 96),
                probabilities(rng, 1, c, 160),
            )
        label = label.reshape(*shape, c)
    else:
        classes = [rng.randrange(c) for _ in range(n)]
        if n == 1:
            classes[0] = 0  # never the class of weight 0 when there is another
        hit_ignored(rng, choice.get("ignore", "none"), classes, c, options)
        label = torch.tensor(classes).reshape(shape)
    mask, weight = (
        mask_of(rng, choice["mask"], n),
        weight_of(rng, choice.get("weight", "none"), c),
    )
    logits = normal(rng, *shape, c, deviation=4 if "softcap" in choice else 2.5)
    return Case(
        name,
        logits,
        label,
        options,
        None if mask is None else mask.reshape(shape),
        weight,
    )


def options_of(choice: Choice) -> Options:
    """The options among the factors, without those that have their default (for softcap, 0 says so)."""
    defaults = {"reduction": "mean", "semantics": "mindformers", "logit_scale": 1}
    names = Options.__annotations__.keys() & choice.keys()
    options = {name: choice[name] for name in choice if name in names}
    if options.get("reduction") == "pair":
        options["reduction"] = "mean"
        options["calculate_per_token_loss"] = True
    return cast(Options, {k: v for k, v in options.items() if v != defaults.get(k, 0)})


def numbers(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def normal(rng: random.Random, *shape: int, deviation: float = 2.5) -> Tensor:
    return numbers([rng.gauss(0, deviation) for _ in range(math.prod(shape))]).reshape(
        shape
    )


def probabilities(rng: random.Random, n: int, c: int, parts: int = PARTS) -> Tensor:
    """Rows that sum to exactly parts / 128; some classes have probability 0."""
    cuts = [
        sorted([0, parts, *(rng.randrange(parts + 1) for _ in range(c - 1))])
        for _ in range(n)
    ]
    return (
        numbers([[b - a for a, b in itertools.pairwise(cut)] for cut in cuts]) / PARTS
    )


def mask_of(rng: random.Random, kind: str, n: int) -> Tensor | None:
    """Leaves a single row in: masking all is a case of its own."""
    if kind == "none":
        return None
    values: dict[str, list[float]] = {
        "0/1": [1, 1, 0],
        "fractional": [0.25, 1.5, 0, 0.75, 1, 2],
        "small": [0.125],  # Σ m below 1, where Megatron's max(D, 1) shows
    }
    mask = list(itertools.islice(itertools.cycle(values[kind]), n))
    rng.shuffle(mask)
    return numbers(mask)


def weight_of(rng: random.Random, kind: str, c: int) -> Tensor | None:
    if kind == "none":
        return None
    weight = numbers([rng.randrange(2, 17) / 8 for _ in range(c)])
    if kind == "with a zero":
        weight[-1] = 0
    return weight


def hit_ignored(
    rng: random.Random, kind: str, classes: list[int], c: int, options: Options
) -> None:
    """Sets ignore_index and labels that it hits: a class in use when C allows, else no class."""
    if kind == "none":
        return
    # Both are the last of a sequence, mostly, so that a shift does not leave them out.
    last, middle = len(classes) - 1, max(len(classes) // 2 - 1, 0)
    hit = last if kind == "one" else middle
    if c < 5:
        classes[hit] = rng.choice([-100, -1, 255])
    options["ignore_index"] = classes[hit]
    if kind == "list":
        options["ignore_index"] = [-100, classes[hit], 7]
        classes[last] = -100


def index_cases() -> Iterator[Case]:
    factors: Factors = {
        "semantics": ["torch"],
        "weight": ["none", "plain", "with a zero"],
        "label_smoothing": [0, 0.1, 1],
        "ignore": ["none", "one", "list"],
        "reduction": REDUCTIONS,
        "mask": MASKS,
        "N": [6, 4, 1],
        "C": [5, 2, 33, 1],
    }
    yield from map(draw, covering(factors, strength=3))
    yield from index_edges()


def index_edges() -> Iterator[Case]:
    rng = random.Random("edges of indices")
    mean, none = (
        Options(semantics="torch"),
        Options(semantics="torch", reduction="none"),
    )
    smooth = Options(semantics="torch", label_smoothing=0.1)
    y, rows = torch.tensor([1, 4, 0]), numbers([1, 1, 0])

    def holding(*places: tuple[int, int, float]) -> Tensor:
        logits = normal(rng, 3, 5)
        for row, column, value in places:
            logits[row, column] = value
        return logits

    rest, row = [(0, c, -INF) for c in (0, 2, 3, 4)], [(1, c, -INF) for c in range(5)]
    yield Case("-Inf off the label", holding((0, 0, -INF), (2, 4, -INF)), y, mean)
    yield Case("-Inf off the label, smoothing", holding((0, 0, -INF)), y, smooth)
    yield Case("-Inf at the label", holding((1, 4, -INF)), y, mean)
    yield Case("-Inf everywhere but at the label", holding(*rest), y, none)
    yield Case("a row all -Inf", holding(*row), y, none)
    yield Case(
        "NaN in a row, +Inf in another", holding((0, 3, NAN), (2, 1, INF)), y, none
    )
    left_out = holding((0, 3, NAN), (2, 1, INF))
    ignored = torch.tensor([-100, 4, 0])
    yield Case(
        "NaN in an ignored row, +Inf in a masked one",
        left_out,
        ignored,
        mean,
        rows,
        deviates=True,
    )
    offset = numbers([[1e4], [-1e4], [1e4]])
    yield Case("small differences at 1e4 and -1e4", holding() + offset, y, none)
    yield Case(
        "rows that span more than 88", normal(rng, 3, 33, deviation=200), y, none
    )
    ties = numbers([[2, 2, 2], [0, 1, 1], [1, 0, 1]])
    yield Case(
        "ties: the lowest index comes first", ties, torch.tensor([2, 2, 2]), none
    )
    deep = torch.tensor([[0, 1, 2], [3, 4, -100]])
    yield Case("logits of rank 3", normal(rng, 2, 3, 5), deep, none)
    zero = numbers([1, 0, 1, 1, 1])
    yield Case(
        "D = 0, and so the numerator",
        holding(),
        torch.tensor([1, 1, 1]),
        mean,
        weight=zero,
    )
    yield Case(
        "D = 0, but not the numerator",
        holding(),
        torch.tensor([1, 1, 1]),
        smooth,
        weight=zero,
    )


def probability_cases() -> Iterator[Case]:
    factors: Factors = {
        "semantics": ["torch"],
        "label": ["probabilities"],
        "weight": ["none", "plain", "with a zero"],
        "label_smoothing": [0, 0.1, 1],
        "sums": ["1", "other"],
        "reduction": REDUCTIONS,
        "mask": MASKS,
        "N": [6, 4, 1],
        "C": [5, 2, 33, 1],
    }
    yield from map(draw, covering(factors, strength=3))
    yield from probability_edges()


def probability_edges() -> Iterator[Case]:
    rng = random.Random("edges of probabilities")
    mean, none = (
        Options(semantics="torch"),
        Options(semantics="torch", reduction="none"),
    )
    smooth = Options(semantics="torch", label_smoothing=0.1)
    logits, weight, m = (
        normal(rng, 3, 4),
        numbers([1.5, 0.5, 1, 0.25]),
        numbers([0.5, 1, 2]),
    )
    p = numbers([[0.5, 0, 0.25, 0.25], [0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    cut_at_0, cut_above_0 = logits.clone(), logits.clone()
    cut_at_0[0, 1] = cut_at_0[1, 0] = cut_above_0[2, 3] = -INF
    yield Case("-Inf at probability 0", cut_at_0, p, mean, deviates=True)
    yield Case(
        "-Inf at probability 0, weight", cut_at_0, p, none, m, weight, deviates=True
    )
    yield Case("-Inf at probability 0, smoothing", cut_at_0, p, smooth)
    yield Case("-Inf at a probability above 0", cut_above_0, p, mean)
    odd = numbers([[0, 0, 0, 0], [1.25, -0.25, 0, 0], [0, 0, 1, 0]])
    yield Case("a row of zeros, a negative probability", logits, odd, mean)
    yield Case(
        "one-hot", logits, numbers([[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]), mean
    )
    yield Case("nothing counted", logits, p, mean, numbers([0, 0, 0]))
    yield Case(
        "logits of rank 3",
        normal(rng, 2, 3, 5),
        probabilities(rng, 6, 5).reshape(2, 3, 5),
        none,
    )


def z_softcap_scale_cases() -> Iterator[Case]:
    factors: Factors = {
        "label": ["indices", "probabilities"],
        "lse_square_scale": [0, 1e-4, 0.1],
        "softcap": [0, 5.0, 30.0],
        "logit_scale": [1, 0.25, 2.0],
        "label_smoothing": [0, 0.1],
        "weight": ["none", "plain"],
        "mask": ["none", "fractional"],
        "reduction": ["mean", "sum", "none"],
        "semantics": ["torch", "mindformers", "megatron"],
        "shape": [(4, 5), (6, 2), (2, 33)],
    }
    alone: Factors = {
        "label": ["indices", "probabilities"],
        "feature": [("lse_square_scale", 0.1), ("softcap", 5.0), ("logit_scale", 2.0)],
    }
    for choice in covering(alone, strength=2):
        feature, value = choice.pop("feature")
        plain = {"mask": "none", "semantics": "torch", "shape": (4, 5)}
        yield draw(choice | {feature: value} | plain, "alone: ")
    yield from map(draw, covering(factors, strength=2))

    rng = random.Random("edges of softcap")
    logits = normal(rng, 3, 5)
    logits[0, 2], logits[1, 0], logits[2, 4] = INF, -INF, 500
    capped = Options(semantics="torch", softcap=30.0, lse_square_scale=1e-4)
    yield Case(
        "softcap makes infinities finite", logits, torch.tensor([1, 0, 3]), capped
    )


def profile_cases() -> Iterator[Case]:
    factors: Factors = {
        "semantics": ["mindformers", "megatron"],
        "reduction": REDUCTIONS,
        "label": ["indices", "probabilities"],
        "label_smoothing": [0, 0.1],
        "mask": [*MASKS, "small"],
        "weight": ["none", "plain"],
        "lse_square_scale": [0, 1e-3],
        "shape": [(4, 5), (4, 2), (4, 33)],
    }
    yield from map(draw, covering(factors, strength=2))
    smoothing: Factors = {
        "semantics": ["megatron"],
        "label_smoothing": [0.1, 0.5],
        "reduction": REDUCTIONS,
        "mask": [*MASKS, "small"],
        "shape": [(4, 5), (4, 2), (3, 33)],
    }
    yield from map(draw, covering(smoothing, strength=2))
    yield from zero_denominators()
    yield from invalid_labels()
    yield from known_values()


def zero_denominators() -> Iterator[Case]:
    rng = random.Random("zero denominators")
    semantics, reductions = (
        ["torch", "mindformers", "megatron"],
        ["mean", "sum", "none"],
    )
    for profile, reduction in itertools.product(semantics, reductions):
        options = options_of({"semantics": profile, "reduction": reduction})
        name, logits = (
            f"D = 0, semantics {profile}, reduction {reduction}",
            normal(rng, 2, 3),
        )
        y, m, w = torch.tensor([1, 1]), numbers([0, 0]), numbers([1, 0, 1])
        yield Case(f"{name}, all ignored", logits, torch.tensor([-100, -100]), options)
        yield Case(f"{name}, all masked", logits, y, options, m)
        yield Case(f"{name}, weight 0 at every label", logits, y, options, weight=w)
        yield Case(
            f"{name}, probabilities all masked",
            logits,
            probabilities(rng, 2, 3),
            options,
            m,
        )


def invalid_labels() -> Iterator[Case]:
    rng = random.Random("invalid labels")
    factors: Factors = {
        "reduction": ["mean", "sum", "none"],
        "mask": MASKS,
        "ignore_index": [[], -100],
    }
    label = torch.tensor([2, -100, 5, 0, -1, 2**40])
    for choice in covering(factors, strength=2):
        name = "invalid labels: " + ", ".join(
            f"{key} {value}" for key, value in choice.items()
        )
        options = options_of(choice | {"invalid_label": "zero_loss"})
        yield Case(
            name, normal(rng, 6, 5), label, options, mask_of(rng, choice["mask"], 6)
        )


def known_values() -> Iterator[Case]:
    batch = numbers(
        [
            [-0.438346, 0.582246, 0.842038, -0.591126, 0.590775],
            [-0.968004, 0.189337, 0.982326, 0.374514, 0.851041],
            [0.269876, 0.195891, 0.748780, -0.056748, 0.263205],
        ]
    )
    yield Case("known batch", batch, torch.tensor([1, 4, 0]), mask=numbers([1, 1, 1]))
    confident, far = numbers([[3, 5, 6, 9, 12, 33, 42, 12, 32, 72]]), torch.tensor([1])
    yield Case("known row, semantics torch", confident, far, Options(semantics="torch"))
    yield Case("known row, semantics mindformers", confident, far)


def shift_cases() -> Iterator[Case]:
    factors: Factors = {
        "shift": [1, 2],
        "mask": MASKS,
        "ignore": ["none", "one", "list"],
        "reduction": REDUCTIONS,
        "label_smoothing": [0, 0.1],
        "semantics": ["torch", "mindformers"],
        "shape": [(2, 4, 5), (1, 3, 5), (3, 3, 2), (2, 3, 33), (6, 5), (1, 2, 3, 5)],
    }
    yield from map(draw, covering(factors, strength=2))
    # ignore_index does not apply to probabilities.
    factors |= {
        "label": ["probabilities"],
        "ignore": ["none"],
        "shape": [(2, 4, 5), (6, 5)],
    }
    yield from map(draw, covering(factors, strength=2))

    rng = random.Random("edges of shift")
    label = torch.tensor([[99, 1, 2, 3], [-1, 4, -100, 0]])
    options = Options(semantics="torch", shift=1, reduction="none")
    yield Case(
        "invalid labels at the first positions", normal(rng, 2, 4, 5), label, options
    )


def with_narrow_dtypes(cases: Iterable[Case], every: int) -> Iterator[Case]:
    """All cases, and one in `every`, and the known ones, again on logits rounded to other dtypes."""
    for position, case in enumerate(cases):
        yield case
        if position % every == 0 or case.name.startswith("known"):
            for dtype, narrow in NARROW_DTYPES.items():
                rounded = case.logits.to(narrow).double()
                yield replace(
                    case, name=f"{case.name}, {dtype}", dtype=dtype, logits=rounded
                )


FILES: dict[str, Callable[[], Iterator[Case]]] = {
    "indices": lambda: with_narrow_dtypes(index_cases(), 6),
    "probabilities": lambda: with_narrow_dtypes(probability_cases(), 6),
    "z_softcap_scale": lambda: with_narrow_dtypes(z_softcap_scale_cases(), 3),
    "profiles": lambda: with_narrow_dtypes(profile_cases(), 5),
    "shift": lambda: with_narrow_dtypes(shift_cases(), 4),
}
