"""What the service takes and answers, as typed dictionaries.

Made from the schemas of the service by `npm run generate`; a test compares.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict


class ParallelConfig(TypedDict, total=False):
    """The division of the batch by a sharded trainer: rows into `data_parallel` groups,
    classes into `model_parallel` shards. Rejected when the division leaves a remainder.
    The local loss of a group is Σ m·ℓ / (Σ m + 1e-8) over its counted rows, under every
    `semantics`. The shards change lse by less than a last place of float32; gradient,
    ranks and entropy are computed from whole rows.
    """

    data_parallel: int
    """Groups of consecutive rows, of equal size: each has a local loss in the
    diagnostics.
    """

    model_parallel: int
    """Shards of consecutive classes, of equal size: each is evaluated alone, then
    merged.
    """


class Options(TypedDict, total=False):
    """Options of the loss. An absent or null option has its default."""

    reduction: Literal["mean", "sum", "none"] | None
    """Reduction of the row losses to one. `mean`: N / D + Z / D_z, with the
    denominators of `semantics`. `sum`: N + Z. `none`: no `loss`; the row losses m·(ℓ +
    λ·lse²) are returned as `outputs.per_token_loss`, 0 for rows that are not counted.
    """

    ignore_index: int | Sequence[int] | None
    """Label, or labels, whose rows are left out. It takes precedence over
    `invalid_label`; an empty list ignores nothing. It is rejected with class
    probabilities.
    """

    label_smoothing: float | None
    """ε: mixes the target with the uniform distribution, ℓ = (1−ε)·w_y·nll + (ε/C)·Σ_c
    w_c·(lse − x_c); of class probabilities p it makes p′ = (1−ε)·p + ε/C, and ℓ = Σ_c
    w_c·p′_c·(lse − x_c). With `semantics: "megatron"` ε·C/(C−1) replaces ε, and ε = 1
    and C = 1 are rejected.
    """

    lse_square_scale: float | None
    """λ of the z-loss Z = λ·Σ m·lse², which keeps logits from drifting. It is separate
    from N, and not weighted by `weight`.
    """

    softcap: float | None
    """s: caps logits softly, x = s·tanh(x / s), after `logit_scale`. None without. ±Inf
    become ±s, and are still reported.
    """

    logit_scale: float | None
    """x = scale·logit, before anything else: 1 / temperature."""

    class_axis: int | None
    """Axis of the classes in the logits; a negative one counts from the end. PyTorch
    uses the second axis, 1. Class indices have the other axes; class probabilities and
    the gradient have all axes of the logits. Rows, and the axis of `shift`, follow the
    other axes in their order. When the class axis is not the last, the axes from it on
    are buffered in memory: (C, …) of (N, C, …).
    """

    shift: int | None
    """k of the causal shift along axis −2: logits at t are scored against label and
    mask at t + k. The last k positions are left out: they are not in `rows.total`, and
    row outputs are k shorter there. Logits of two axes are one sequence. With
    `segments` the last k rows of each segment are left out instead, and row outputs are
    flat.
    """

    semantics: Literal["mindformers", "torch", "megatron"] | None
    """Denominators of the mean, D and D_z alike. `mindformers`: D + 1e-8, so 0 when
    nothing is counted. `torch`: D, so NaN when nothing is counted; class weights may be
    negative, and D too. `megatron`: max(D, 1).
    """

    invalid_label: Literal["error", "zero_loss"] | None
    """A counted row whose label is not in [0, C): `error` answers 422 with its place;
    `zero_loss` gives it the loss 0, whatever its logits are, and still counts it, which
    with `ignore_index: []` is what mindformers.core.CrossEntropyLoss does.
    """

    calculate_per_token_loss: bool | None
    """Megatron's pair: the answer has `numerator` = N and `denominator` = D but no
    `loss`; the caller sums both over ranks and divides.
    """

    check_for_nan_in_loss_and_grad: bool | None
    """Adds the Euclidean norm of the gradient to the diagnostics, but not its tensor,
    and the local loss of each data-parallel group; both are also logged.
    """

    parallel_config: ParallelConfig | None
    """The division of the batch by a sharded trainer: rows into `data_parallel` groups,
    classes into `model_parallel` shards. Rejected when the division leaves a remainder.
    The local loss of a group is Σ m·ℓ / (Σ m + 1e-8) over its counted rows, under every
    `semantics`. The shards change lse by less than a last place of float32; gradient,
    ranks and entropy are computed from whole rows.
    """

    on_non_finite: Literal["report", "reject"] | None
    """Answer when loss, numerator or z_loss is not finite: `report` answers 200 with
    the value, `reject` answers 422 `non_finite_loss` with the same `diagnostics` in the
    problem.
    """

    max_locations: int | None
    """Largest number of places of non-finite logits in the diagnostics: the first ones
    in row-major order.
    """

    gradient_dtype: Literal["float32"] | None
    """The dtype of `outputs.gradient`; by default the dtype of the logits."""

    outputs: Sequence[Literal["per_token_loss", "lse", "gradient", "predictions", "target_rank", "entropy", "sequences"]] | None
    """Tensors to return, and `sequences`, which is a list at the top of the answer. All
    tensors except `gradient` have an entry per row, shaped like class indices.
    `per_token_loss` (float64): m·(ℓ + λ·lse²), 0 for rows that are not counted.
    `gradient`: ∂loss/∂logits, shaped like `logits`, in the dtype of `gradient_dtype`;
    of N + Z when there is no `loss`. It is (m/D)·[(1−ε)·w_y·(s_c − 1[c=y]) +
    (ε/C)·(W·s_c − w_c)] + (m/D_z)·2λ·lse·s_c, with s = softmax(x), for class
    probabilities (m/D)·[s_c·Σ_k w_k·p′_k − w_c·p′_c] + the same last term, with the
    denominators of `semantics`; times 1 − tanh² for `softcap` and times `logit_scale`;
    0 for rows that are not counted and for invalid labels under `zero_loss`. `lse`
    (float64): log Σ exp x. `predictions` (int32): index of the maximum, the lowest on
    ties, −1 for rows that hold a NaN. `target_rank` (int32): number of classes that
    come before the label (the most probable class, the first of equals) when sorted by
    value, then by index, −1 for rows that are not counted, whose label is invalid or
    that hold a NaN. `entropy` (float64): −Σ s·log s of the softmax, in nats.
    """

    metrics: Sequence[Literal["accuracy", "top5_accuracy", "mean_entropy", "ece", "sequence_perplexity", "standard_error", "bits_per_byte", "byte_perplexity", "word_perplexity"]] | None
    """Metrics to compute in addition to perplexity and bits_per_token. Without another
    word they are means over counted rows, weighted by the mask. `accuracy`: target_rank
    = 0. `top5_accuracy`: target_rank < min(5, C); a row with a NaN has no prediction,
    and is a miss of both. `mean_entropy`: of `entropy`. `ece`: the expected calibration
    error, Σ_b |Σ m·(hit − confidence)| / Σ m over 15 bins b of equal width of the
    confidence max s, (0, 1], and over the rows that have a prediction.
    `sequence_perplexity`: mean over the sequences with counted rows of exp(Σ m·nll / Σ
    m) of each; every sequence counts once, whatever its length. `standard_error`: the
    standard error of `mean_nll`, √(n/(n−1)·Σ m²(nll − mean_nll)²) / Σ m over n counted
    rows; NaN below two. `bits_per_byte`: Σ m·nll / (ln 2 · Σ bytes), of the field
    `bytes`: a ratio of totals. `byte_perplexity`: exp(Σ m·nll / Σ bytes), of the field
    `bytes`. `word_perplexity`: exp(Σ m·nll / Σ words), of the field `words`.
    """


class RowCounts(TypedDict):
    """Numbers of counted, ignored and masked rows."""

    total: int
    """Rows of the batch: counted + ignored + masked."""

    counted: int
    """Rows that enter the sums."""

    ignored: int
    """Rows whose label is ignored and whose mask is not 0."""

    masked: int
    """Rows whose mask is 0."""


class Metrics(TypedDict):
    """Metrics over counted rows, weighted by the mask."""

    perplexity: float
    """exp(mean_nll)."""

    bits_per_token: float
    """mean_nll / ln 2."""

    accuracy: NotRequired[float]
    """Share of rows whose label is the prediction."""

    top5_accuracy: NotRequired[float]
    """Share of rows whose label is among the first min(5, C)."""

    mean_entropy: NotRequired[float]
    """Mean entropy of the softmax, in nats."""

    ece: NotRequired[float]
    """Expected calibration error over 15 bins."""

    sequence_perplexity: NotRequired[float]
    """Mean over sequences of their perplexities."""

    standard_error: NotRequired[float]
    """Standard error of `mean_nll`, in nats."""

    bits_per_byte: NotRequired[float]
    """Σ m·nll / (ln 2 · Σ bytes)."""

    byte_perplexity: NotRequired[float]
    """exp(Σ m·nll / Σ bytes)."""

    word_perplexity: NotRequired[float]
    """exp(Σ m·nll / Σ words)."""


class SequenceEvaluation(TypedDict):
    """A sequence, over its counted rows. Without counted rows its other values are
    null, and it enters no mean.
    """

    tokens: int
    """Counted rows."""

    numerator: float | None
    """Σ m·nll, in nats: of the plain label, without class weights and smoothing."""

    denominator: float | None
    """Σ m."""

    mean_nll: float | None
    """Σ m·nll / Σ m."""

    perplexity: float | None
    """exp(mean_nll)."""


class Place(TypedDict):
    """Place of a non-finite logit, or probability."""

    row: int
    """Row of the batch, from 0, in row-major order of the leading axes."""

    column: int
    """Class, from 0."""

    value: float
    """The non-finite value."""

    is_label: bool
    """True when the column is the row’s label."""

    masked: bool
    """True when the row is left out, by the mask or by `ignore_index`."""


class Cause(TypedDict):
    """A cause with its first place."""

    cause: Literal["nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label", "neg_inf_smoothed", "non_finite_probability", "zero_denominator", "accumulation_overflow"]
    """`nan_logit`, `pos_inf_logit`: a counted row holds such a value, its loss is NaN
    (without `softcap`). `all_neg_inf_row`: a counted row is −Inf throughout, its loss
    is NaN. `neg_inf_at_label`: the label, or a class whose probability is not 0, has
    the logit −Inf: nll is +Inf, and so is the loss, unless the class has weight 0 or
    less. `neg_inf_smoothed`: `label_smoothing` gives a class of the logit −Inf its
    share: the loss is +Inf, −Inf if its weight is negative, NaN if there are both.
    `non_finite_probability`: a row of class probabilities holds such a value, its loss
    is not finite. `zero_denominator`: D is 0, because nothing is counted or the class
    weights of the counted rows sum to 0. `accumulation_overflow`: the loss of a row, or
    the sum of the rows, left the range of float64. A row of an invalid label under
    `zero_loss` is counted with what its logits hold, though its loss is 0. Where
    partials were combined, `first` may be absent.
    """

    rows: int
    """Number of counted rows with this cause."""

    first: NotRequired[Place]
    """Place of a non-finite logit, or probability."""


class DiagnosticsLogits(TypedDict):
    """Exact counts over counted rows."""

    nan: int
    """NaN logits in counted rows."""

    pos_inf: int
    """+Inf logits in counted rows."""

    neg_inf: int
    """−Inf logits in counted rows: at other classes than the label they are legal, and
    have probability 0.
    """

    max: NotRequired[float]
    """The greatest finite logit; absent when there is none."""

    bad_rows: int
    """Counted rows that contain any of these."""


class DiagnosticsLabels(TypedDict):
    """Labels of counted rows; absent with class probabilities."""

    min: NotRequired[int]
    """Least label; absent when nothing is counted."""

    max: NotRequired[int]
    """Greatest label; absent when nothing is counted."""

    out_of_range: int
    """Labels that are no class: only with `invalid_label: "zero_loss"`."""


class DiagnosticsFloat16(TypedDict):
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    at_largest: int
    """Values that are the largest finite one: 65504 of float16, 448 of float8_e4m3fn,
    57344 of float8_e5m2.
    """

    subnormal_fraction: float
    """Share of subnormal values, which have lost precision (0 < |x| < 2^−14 of float16,
    2^−6 of float8_e4m3fn, 2^−14 of float8_e5m2): among the first 256 of each counted
    row in an evaluation, among all in a diagnosis.
    """

    hint: NotRequired[str]
    """Present when the values suggest overflow."""


class DiagnosticsProbabilities(TypedDict):
    """Invalid class probabilities; absent with class indices."""

    not_one: int
    """Counted rows whose probabilities sum to less than 0.999 or more than 1.001."""

    negative: int
    """Counted rows with a negative probability."""


class DiagnosticsGradient(TypedDict):
    """With `check_for_nan_in_loss_and_grad`."""

    norm: float
    """Euclidean norm of the gradient with respect to the logits."""

    finite: bool
    """True when every element of the gradient is finite."""


class DiagnosticsWorstRow(TypedDict):
    """A row with a large loss."""

    row: int
    """Row of the batch, from 0."""

    label: int
    """Its class; with class probabilities the most probable class."""

    loss: float
    """Its nll in nats, without weights, smoothing and mask."""

    target_rank: NotRequired[int]
    """Number of classes that rank before the label, as in `outputs.target_rank`. Absent
    in combined partials.
    """


class Diagnostics(TypedDict):
    """Causes and places of non-finite values."""

    verdict: Literal["finite", "non_finite"]
    """`finite` when loss, numerator and z_loss are finite."""

    summary: str
    """The findings in one line, for logs and notebooks."""

    causes: list[Cause]
    """Causes of a non-finite loss, and causes that a finite loss may hide."""

    logits: DiagnosticsLogits
    """Exact counts over counted rows."""

    locations: list[Place]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: int
    """Rows left out that contain a non-finite logit: they do not affect the loss."""

    nulls: NotRequired[int]
    """Null entries of `logits` and `label`, which some JSON writers use for NaN: they
    are read as NaN. Absent when there are none.
    """

    labels: NotRequired[DiagnosticsLabels]
    """Labels of counted rows; absent with class probabilities."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    probabilities: NotRequired[DiagnosticsProbabilities]
    """Invalid class probabilities; absent with class indices."""

    gradient: NotRequired[DiagnosticsGradient]
    """With `check_for_nan_in_loss_and_grad`."""

    rows_without_prediction: NotRequired[int]
    """Counted rows without a prediction, because a logit of them is NaN: they are
    misses of `accuracy` and `top5_accuracy`, and `ece` leaves them out. Absent where no
    output and no metric needs predictions.
    """

    worst_rows: list[DiagnosticsWorstRow]
    """The counted rows with the largest nll, the worst first; NaN is worse than every
    number.
    """

    local_losses: NotRequired[list[float]]
    """Local loss of each data-parallel group, in row order: with
    `check_for_nan_in_loss_and_grad`, or with more than one group.
    """


class DiagnosisValues(TypedDict):
    """Exact counts over counted rows."""

    total: int
    """Values of the counted rows."""

    nan: int
    """NaN."""

    pos_inf: int
    """+Inf."""

    neg_inf: int
    """−Inf."""

    zero: int
    """0."""

    subnormal: int
    """Values too small to be normal in the dtype: they have lost precision."""

    min: NotRequired[float]
    """Least finite value; absent when there is none."""

    max: NotRequired[float]
    """Greatest finite value; absent when there is none."""

    bad_rows: int
    """Rows that hold a value that is not finite."""


class DiagnosisMagnitude(TypedDict):
    """A power of two."""

    exponent: int
    """e, where 2^e ≤ |x| < 2^(e+1); −1023 also for smaller values."""

    count: int
    """Number of values."""


class DiagnosisRowNormsSmallest(TypedDict):
    """The row of least norm."""

    row: int
    """Row, from 0."""

    norm: float
    """Its Euclidean norm."""


class DiagnosisRowNormsLargest(TypedDict):
    """The row of greatest norm."""

    row: int
    """Row, from 0."""

    norm: float
    """Its Euclidean norm."""


class DiagnosisRowNorms(TypedDict):
    """Norms of counted rows, over their finite values."""

    smallest: DiagnosisRowNormsSmallest
    """The row of least norm."""

    largest: DiagnosisRowNormsLargest
    """The row of greatest norm."""


class DiagnosisColumnsWorst(TypedDict):
    """A column."""

    column: int
    """Column, from 0."""

    rows: int
    """Rows in which it is not finite."""


class DiagnosisColumns(TypedDict):
    """Hot spots: classes that are bad in many rows."""

    bad: int
    """Columns that are not finite in some counted row."""

    bad_in_most_rows: int
    """Columns that are not finite in more than half of the counted rows."""

    worst: list[DiagnosisColumnsWorst]
    """The columns that are non-finite in the most rows; of equal columns the first come
    first.
    """


class Diagnosis(TypedDict):
    """The survey of a tensor."""

    verdict: Literal["finite", "non_finite"]
    """`finite` when every value of the counted rows is finite."""

    summary: str
    """The findings in one line."""

    dtype: Literal["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
    """Type of the elements."""

    shape: list[int]
    """Its shape."""

    rows: RowCounts
    """Numbers of counted, ignored and masked rows."""

    values: DiagnosisValues
    """Exact counts over counted rows."""

    causes: list[Cause]
    """Causes of a non-finite loss, and causes that a finite loss may hide."""

    locations: list[Place]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: int
    """Rows left out that contain a non-finite logit: they do not affect the loss."""

    nulls: NotRequired[int]
    """Null entries of `logits` and `label`, which some JSON writers use for NaN: they
    are read as NaN. Absent when there are none.
    """

    magnitudes: list[DiagnosisMagnitude]
    """A histogram of finite values other than 0 by their magnitude; empty bins are left
    out.
    """

    row_norms: NotRequired[DiagnosisRowNorms]
    """Norms of counted rows, over their finite values."""

    columns: DiagnosisColumns
    """Hot spots: classes that are bad in many rows."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    kernel: str
    """The kernel that surveyed the tensor."""


class ComparisonOptions(TypedDict, total=False):
    """Options of a comparison. An absent or null option has its default."""

    direction: Literal["forward", "reverse", "jensen_shannon"] | None
    """Divergence of a row. `forward`: KL(P‖Q) = Σ p·ln(p/q). `reverse`: KL(Q‖P).
    `jensen_shannon`: β·KL(P‖M) + (1−β)·KL(Q‖M) with M = β·P + (1−β)·Q, the convention
    of TRL and Liger.
    """

    beta: float | None
    """β of `jensen_shannon`: 0 is forward, 1 reverse KL. Rejected with another
    `direction`.
    """

    logit_scale: float | None
    """s: both sides are multiplied by it first; 1 / temperature."""

    tail: Literal["bucket", "drop"] | None
    """The classes beside the top K of a `reference` of `indices` and `logprobs`.
    `bucket`: they are one class, of probability 1 − Σ p on the side of the reference.
    `drop`: they are left out, Σ p·ln(p/q) over the K alone, which may be negative.
    Rejected with another reference.
    """

    reference_floor: float | None
    """f in nats: classes with ln p ≤ −f are left out, and the divergence is Σ p·ln(p/q)
    over the others, which may be slightly negative. llama.cpp files hold 16 nats, which
    is the default with them; none otherwise. `direction: "forward"` only.
    """

    ignore_index: int | Sequence[int] | None
    """Label, or labels, whose rows are left out. It takes precedence over
    `invalid_label`; an empty list ignores nothing. It is rejected with class
    probabilities.
    """

    shift: int | None
    """k of the causal shift along axis −2: logits at t are scored against label and
    mask at t + k. The last k positions are left out: they are not in `rows.total`, and
    row outputs are k shorter there. Logits of two axes are one sequence. With
    `segments` the last k rows of each segment are left out instead, and row outputs are
    flat.
    """

    semantics: Literal["mindformers", "torch", "megatron"] | None
    """Denominator of the mean. `mindformers`: D + 1e-8, so 0 when nothing is counted.
    `torch`: D, so NaN when nothing is counted. `megatron`: max(D, 1). The statistics
    are divided by D always.
    """

    reduction: Literal["mean", "sum", "none"] | None
    """Reduction of the divergences to one `loss`. `mean`: N / D, with the denominator
    of `semantics`. `sum`: N. `none`: no `loss`; ask for `outputs: ["kl_divergence"]`.
    """

    on_non_finite: Literal["report", "reject"] | None
    """Answer when the numerator is not finite: `report` answers 200 with the value,
    `reject` answers 422 `non_finite_loss` with the same `diagnostics` in the problem.
    """

    max_locations: int | None
    """Largest number of places of non-finite logits in the diagnostics: the first ones
    in row-major order.
    """

    worst_rows: int | None
    """Largest number of rows of greatest divergence that the answer names."""

    gradient_dtype: Literal["float32"] | None
    """The dtype of `outputs.gradient`; by default the dtype of the logits."""

    outputs: Sequence[Literal["kl_divergence", "probability_difference", "nll", "reference_nll", "top1_agreement", "gradient", "sequences"]] | None
    """Tensors to return, and `sequences`, which is a list at the top of the answer. All
    tensors except `gradient` have an entry per row, 0 for rows that are not counted.
    `kl_divergence` (float64): the divergence, in nats. `probability_difference`
    (float64): q_y − p_y, the probability of the label under `logits` minus that under
    `reference`; needs `label`. `nll` (float64): −log q_y of `logits`; needs `label`.
    `reference_nll` (float64): −log p_y of `reference`; needs `label`. `top1_agreement`
    (int32): 1 where both sides have the same most probable class, the lowest on ties,
    else 0. `gradient`: ∂loss/∂logits, shaped like `logits`, in the dtype of
    `gradient_dtype`; of N when there is no `loss`. It is m/D times s·(q − p) for
    forward, s·q_c·(ln(q_c/p_c) − KL) for reverse, s·(1−β)·q_c·(ln(q_c/m_c) − KL(Q‖M))
    for Jensen-Shannon.
    """


class DivergenceStatistics(TypedDict):
    """Divergence of the counted rows, in nats, weighted by the mask in mean and error.
    """

    mean: float | None
    """Σ m·divergence / Σ m, in nats; null when nothing is counted."""

    standard_error: float | None
    """Standard error of the mean; null below two counted rows and where it is infinite.
    """

    min: float | None
    """Least divergence."""

    max: float | None
    """Greatest divergence."""

    percentiles: Mapping[str, float | None]
    """Percentiles over counted rows, unweighted, with linear interpolation between
    neighbours; rows of NaN are left out.
    """


class Agreement(TypedDict):
    """Agreement of the most probable classes."""

    fraction: float | None
    """Share of the counted rows in which both sides have the same most probable class,
    weighted by the mask.
    """

    standard_error: float | None
    """Standard error of the fraction; null below two counted rows and where it is
    infinite.
    """


class ProbabilityDifference(TypedDict):
    """Probability of the label under `logits` minus that under `reference`, as a
    fraction; with labels only.
    """

    mean: float | None
    """Mean of q_y − p_y."""

    standard_error: float | None
    """Standard error of the mean; null below two counted rows and where it is infinite.
    """

    rms: float | None
    """√ of the mean of (q_y − p_y)²."""

    rms_standard_error: float | None
    """Standard error of rms; null below two counted rows and where it is infinite."""

    min: float | None
    """Least difference."""

    max: float | None
    """Greatest difference."""

    percentiles: Mapping[str, float | None]
    """Percentiles over counted rows, unweighted, with linear interpolation between
    neighbours; rows of NaN are left out.
    """


class ComparedPerplexityLogits(TypedDict):
    """exp of the mean nll of `logits`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of it; null below two counted rows and where it is infinite."""


class ComparedPerplexityReference(TypedDict):
    """exp of the mean nll of `reference`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of it; null below two counted rows and where it is infinite."""


class ComparedPerplexityLogRatio(TypedDict):
    """Mean of nll − reference_nll: ln of the ratio."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of it; null below two counted rows and where it is infinite."""


class ComparedPerplexityRatio(TypedDict):
    """Perplexity of `logits` over that of `reference`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of it; null below two counted rows and where it is infinite."""


class ComparedPerplexityDifference(TypedDict):
    """Perplexity of `logits` minus that of `reference`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of it; null below two counted rows and where it is infinite."""


class ComparedPerplexity(TypedDict):
    """Perplexities of both sides on the labels, with labels only."""

    logits: ComparedPerplexityLogits
    """exp of the mean nll of `logits`."""

    reference: ComparedPerplexityReference
    """exp of the mean nll of `reference`."""

    log_ratio: ComparedPerplexityLogRatio
    """Mean of nll − reference_nll: ln of the ratio."""

    ratio: ComparedPerplexityRatio
    """Perplexity of `logits` over that of `reference`."""

    difference: ComparedPerplexityDifference
    """Perplexity of `logits` minus that of `reference`."""

    correlation: float | None
    """Correlation of the nll of both sides over rows; null where one of them is
    constant.
    """


class DivergentRow(TypedDict):
    """A row of great divergence."""

    row: int
    """Row of the batch, from 0."""

    kl_divergence: float
    """Its divergence, in nats."""

    prediction: int
    """Most probable class under `logits`."""

    reference_prediction: int
    """Most probable class under `reference`; −1 where its top K does not say."""

    label: NotRequired[int]
    """Its label."""

    nll: NotRequired[float]
    """nll of the label under `logits`."""

    reference_nll: NotRequired[float]
    """nll of the label under `reference`."""


class ComparisonDiagnosticsCause(TypedDict):
    """A cause with its side and first place."""

    side: Literal["logits", "reference"]
    """The side that has it."""

    cause: Literal["nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label", "reference_mass_at_neg_inf", "logits_mass_at_neg_inf", "zero_denominator", "accumulation_overflow"]
    """`nan_logit`, `pos_inf_logit`, `all_neg_inf_row`: a counted row holds such a
    value, or is −Inf throughout; its divergence is NaN. `reference_mass_at_neg_inf`: a
    class of `logits` is −Inf to which the reference gives some probability: forward KL
    is +Inf. `logits_mass_at_neg_inf`: the same with the roles changed, for reverse KL.
    `neg_inf_at_label`: the label has the logit −Inf: its nll and the perplexity are
    +Inf. `accumulation_overflow`: the sum left the range of float64.
    `zero_denominator`: nothing is counted.
    """

    rows: int
    """Number of counted rows with this cause."""

    first: NotRequired[Place]
    """Place of a non-finite logit, or probability."""


class ComparisonDiagnosticsLogits(TypedDict):
    """Non-finite values, and signs of overflow, in one of the two sets of logits."""

    counts: DiagnosticsLogits
    """Exact counts over counted rows."""

    locations: list[Place]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: int
    """Rows left out that contain a non-finite logit: they do not affect the loss."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """


class ComparisonDiagnostics(TypedDict):
    """Causes and places of both sides."""

    verdict: Literal["finite", "non_finite"]
    """`finite` when the numerator is finite."""

    summary: str
    """The findings in one line, for logs and notebooks."""

    causes: list[ComparisonDiagnosticsCause]
    """Causes of a divergence that is not finite, and causes that a finite one may hide.
    """

    logits: ComparisonDiagnosticsLogits
    """Non-finite values, and signs of overflow, in one of the two sets of logits."""

    reference: NotRequired[ComparisonDiagnosticsLogits]
    """Non-finite values, and signs of overflow, in one of the two sets of logits."""

    nan_rows: int
    """Counted rows whose divergence is NaN: percentiles, extremes and worst rows leave
    them out.
    """

    truncated: bool
    """True where terms of the reference were left out (`reference_floor`, `tail:
    "drop"`, a llama.cpp file, which is quantised): the divergence is Σ p·ln(p/q) over
    the others, and may be slightly negative.
    """

    nulls: NotRequired[int]
    """Null entries of `logits` and `label`, which some JSON writers use for NaN: they
    are read as NaN. Absent when there are none.
    """

    labels: NotRequired[DiagnosticsLabels]
    """Labels of counted rows; absent with class probabilities."""


class SequenceOfLogits(TypedDict):
    """The labels under `logits`; with labels only."""

    mean_nll: float | None
    """Σ m·nll / Σ m of the labels."""

    perplexity: float | None
    """exp(mean_nll)."""


class SequenceOfReference(TypedDict):
    """The labels under `reference`; with labels only."""

    mean_nll: float | None
    """Σ m·nll / Σ m of the labels."""

    perplexity: float | None
    """exp(mean_nll)."""


class ComparedSequence(TypedDict):
    """A sequence, over its counted rows. Without counted rows its other values are
    null, and it enters no mean.
    """

    tokens: int
    """Counted rows."""

    numerator: float | None
    """Σ m·divergence, in nats."""

    denominator: float | None
    """Σ m."""

    mean: float | None
    """Σ m·divergence / Σ m."""

    logits: NotRequired[SequenceOfLogits]
    """The labels under `logits`; with labels only."""

    reference: NotRequired[SequenceOfReference]
    """The labels under `reference`; with labels only."""


class SequenceComparisonPerplexity(TypedDict):
    """e to the mean of −log-probability over its counted tokens."""

    old: float | None
    """Perplexity of `old`."""

    new: float | None
    """Perplexity of `new`."""


class SequenceComparison(TypedDict):
    """A sequence. Without counted tokens its values are null, and it enters no mean."""

    tokens: int
    """Counted tokens."""

    log_ratio: float | None
    """Σ r."""

    k1: float | None
    """Mean of −r, an estimator of KL(old‖new) that may be negative."""

    k3: float | None
    """Mean of ρ − 1 − r, an estimator of KL(old‖new) that is never negative."""

    perplexity: SequenceComparisonPerplexity
    """e to the mean of −log-probability over its counted tokens."""


class LogprobComparisonTokens(TypedDict):
    """Numbers of counted and masked tokens."""

    total: int
    """Tokens of the request: counted + masked."""

    counted: int
    """Tokens that enter the sums."""

    masked: int
    """Tokens whose mask is 0."""


class LogprobComparisonPerplexity(TypedDict):
    """Mean over sequences of their perplexities."""

    old: float | None
    """Perplexity of `old`."""

    new: float | None
    """Perplexity of `new`."""


class LogprobComparisonWorstToken(TypedDict):
    """A token on which the sides differ."""

    token: int
    """Index of the token, from 0; rows of (B, T) follow one another."""

    sequence: int
    """Its sequence, from 0."""

    position: int
    """Its position in the sequence, from 0."""

    old: float
    """Its log-probability in `old`."""

    new: float
    """Its log-probability in `new`."""

    log_ratio: float
    """r = new − old."""


class LogprobComparison(TypedDict):
    """The comparison, with r = new − old and ρ = e^r of each counted token; n of them.
    Nothing is clamped or truncated: what overflows float64 is Infinity. Without counted
    tokens all values are null.
    """

    tokens: LogprobComparisonTokens
    """Numbers of counted and masked tokens."""

    k1: float | None
    """Mean of −r, an estimator of KL(old‖new) that may be negative."""

    k3: float | None
    """Mean of ρ − 1 − r, an estimator of KL(old‖new) that is never negative."""

    chi2_token: float | None
    """Mean of ρ² over tokens, less 1."""

    chi2_sequence: float | None
    """Mean over sequences of the square of the product of their ρ, less 1."""

    effective_sample_size: float | None
    """(Σ ρ)² / (n·Σ ρ²): the share of tokens that reweighting leaves."""

    mean_absolute_difference: float | None
    """Mean of |r|."""

    fraction_outside: float | None
    """Share of tokens with ρ < 0.9 or ρ > 1.1."""

    perplexity: LogprobComparisonPerplexity
    """Mean over sequences of their perplexities."""

    worst_tokens: list[LogprobComparisonWorstToken]
    """The tokens of greatest |r|, the greatest first; of equal tokens the first come
    first.
    """

    sequences: list[SequenceComparison]
    """Every sequence, in order."""

    hint: NotRequired[Literal["renormalised_support"]]
    """`renormalised_support`: `old` was renormalised over a truncated support, by top-p
    or top-k, and `new` was not. A heuristic: of at least 32 counted tokens with `old`
    below −0.1, more than half have r < −0.02, and at most 10% have r > 0.01. A kept
    mass above 98% is not seen. A constant shift downwards gives the hint too: no two
    normalised distributions have it.
    """


class RunSummary(TypedDict):
    """A summary of a run."""

    run: str
    """Name of the run, percent-encoded in the path, slashes too: 1 to 256 characters
    (code points) of Unicode. No control characters, no white space at an end, no `.` or
    `..` as a part between slashes, and not `~removed ` at the beginning. Names are
    compared as they are: upper and lower case differ, and Unicode is not normalised.
    """

    labels: Mapping[str, str | float | bool]
    """Metadata that the owner gives the run."""

    expected_ranks: NotRequired[int]
    """Number of ranks that report each step; a step is complete when all of them
    reported.
    """

    created_at: str
    """Time of its creation."""

    updated_at: str
    """Time of the last recording."""

    status: Literal["active", "idle"]
    """`active` when a batch was recorded in the last five minutes."""

    steps: int
    """Number of steps, without superseded ones."""

    batches: int
    """Number of micro-batches, including those of superseded steps."""

    ranks: int
    """Number of known ranks: the highest rank that reported, plus 1."""

    non_finite_steps: int
    """Number of steps with a non-finite loss or batch."""

    last_step: NotRequired[int]
    """Last step, of the newest attempt."""

    last_loss: NotRequired[float]
    """Loss of the last step."""

    best_step: NotRequired[int]
    """Step of the training."""

    best_loss: NotRequired[float]
    """The least finite loss of a step."""

    sparkline: list[float]
    """Finite losses, about evenly spaced over the steps."""


class RunList(TypedDict):
    """A page of runs."""

    runs: list[RunSummary]
    """Runs that match, in the order of `sort`."""

    next: NotRequired[str]
    """`cursor` of the next page; absent on the last."""

    total: NotRequired[int]
    """Runs that match, on all pages; on the first page only."""

    active: NotRequired[int]
    """Matching runs whose `status` is `active`; on the first page only."""

    non_finite: NotRequired[int]
    """Matching runs with non-finite steps; on the first page only."""


class StepPointRankLosses(TypedDict):
    """Finite local losses of ranks; absent when there is none."""

    min: float
    """The least."""

    max: float
    """The greatest."""


class StepPoint(TypedDict):
    """A step."""

    step: int
    """Step of the training."""

    attempt: int
    """Attempt of its batches."""

    loss: float
    """Σ numerators / Σ denominators over ranks and micro-batches, each sum rounded
    once, so the order has no effect; NaN when nothing is counted.
    """

    numerator: float
    """Σ numerators."""

    denominator: float
    """Σ denominators."""

    complete: bool
    """True when all ranks reported: the expected ranks, or all known ranks of the run
    when no number is expected.
    """

    non_finite: bool
    """True when the loss, or a batch, is not finite."""

    spike: bool
    """True when the loss is a spike: see docs/diagnostics.md."""

    ranks: int
    """Ranks that reported."""

    rank_losses: NotRequired[StepPointRankLosses]
    """Finite local losses of ranks; absent when there is none."""

    recorded_at: str
    """Time when its last batch was recorded."""

    causes: NotRequired[list[Literal["nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label", "neg_inf_smoothed", "non_finite_probability", "zero_denominator", "accumulation_overflow"]]]
    """Causes of a non-finite step; absent when the step is finite."""

    summary: NotRequired[str]
    """Summary of the first non-finite batch."""


class StepList(TypedDict):
    """Steps of a run."""

    steps: list[StepPoint]
    """Steps in their order."""

    next: NotRequired[str]
    """`cursor` of the next page; absent on the last."""


class MicroBatchDiagnostics(TypedDict):
    """Verdict, summary and causes. With findings, the whole diagnostics of the
    evaluation, with the first 64 of `locations` and `local_losses`.
    """

    verdict: Literal["finite", "non_finite"]
    """`finite` when loss, numerator and z_loss are finite."""

    summary: str
    """The findings in one line, for logs and notebooks."""

    causes: list[Cause]
    """Causes of a non-finite loss, and causes that a finite loss may hide."""

    logits: NotRequired[DiagnosticsLogits]
    """Exact counts over counted rows."""

    locations: NotRequired[list[Place]]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: NotRequired[int]
    """Rows left out that contain a non-finite logit: they do not affect the loss."""

    nulls: NotRequired[int]
    """Null entries of `logits` and `label`, which some JSON writers use for NaN: they
    are read as NaN. Absent when there are none.
    """

    labels: NotRequired[DiagnosticsLabels]
    """Labels of counted rows; absent with class probabilities."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: what is beyond 448 is NaN.
    """

    probabilities: NotRequired[DiagnosticsProbabilities]
    """Invalid class probabilities; absent with class indices."""

    gradient: NotRequired[DiagnosticsGradient]
    """With `check_for_nan_in_loss_and_grad`."""

    rows_without_prediction: NotRequired[int]
    """Counted rows without a prediction, because a logit of them is NaN: they are
    misses of `accuracy` and `top5_accuracy`, and `ece` leaves them out. Absent where no
    output and no metric needs predictions.
    """

    worst_rows: NotRequired[list[DiagnosticsWorstRow]]
    """The counted rows with the largest nll, the worst first; NaN is worse than every
    number.
    """

    local_losses: NotRequired[list[float]]
    """Local loss of each data-parallel group, in row order: with
    `check_for_nan_in_loss_and_grad`, or with more than one group.
    """


class MicroBatch(TypedDict):
    """A micro-batch."""

    micro_batch: int
    """Its number within the rank."""

    loss: float
    """numerator / denominator."""

    numerator: float
    """Σ m·ℓ."""

    denominator: float
    """D."""

    recorded_at: str
    """Time of the recording."""

    diagnostics: MicroBatchDiagnostics
    """Verdict, summary and causes. With findings, the whole diagnostics of the
    evaluation, with the first 64 of `locations` and `local_losses`.
    """


class RankDetail(TypedDict):
    """A rank."""

    rank: int
    """Data-parallel rank."""

    loss: float
    """Its local loss: Σ numerators / Σ denominators of all its micro-batches."""

    numerator: float
    """Σ numerators."""

    denominator: float
    """Σ denominators."""

    micro_batches: list[MicroBatch]
    """The ranks of this page, in their order."""


class StepDetail(TypedDict):
    """A step with its ranks and micro-batches."""

    run: str
    """Name of the run, percent-encoded in the path, slashes too: 1 to 256 characters
    (code points) of Unicode. No control characters, no white space at an end, no `.` or
    `..` as a part between slashes, and not `~removed ` at the beginning. Names are
    compared as they are: upper and lower case differ, and Unicode is not normalised.
    """

    step: int
    """Step of the training."""

    attempt: int
    """Attempt of its batches."""

    loss: float
    """Σ numerators / Σ denominators over ranks and micro-batches, each sum rounded
    once, so the order has no effect; NaN when nothing is counted.
    """

    numerator: float
    """Σ numerators."""

    denominator: float
    """Σ denominators."""

    complete: bool
    """True when all ranks reported: the expected ranks, or all known ranks of the run
    when no number is expected.
    """

    non_finite: bool
    """True when the loss, or a batch, is not finite."""

    spike: bool
    """True when the loss is a spike: see docs/diagnostics.md."""

    ranks: int
    """Ranks that reported."""

    rank_losses: NotRequired[StepPointRankLosses]
    """Finite local losses of ranks; absent when there is none."""

    recorded_at: str
    """Time when its last batch was recorded."""

    causes: NotRequired[list[Literal["nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label", "neg_inf_smoothed", "non_finite_probability", "zero_denominator", "accumulation_overflow"]]]
    """Causes of a non-finite step; absent when the step is finite."""

    summary: NotRequired[str]
    """Summary of the first non-finite batch."""

    missing_ranks: list[int]
    """Ranks that have not reported; the first 1024."""

    batches: NotRequired[int]
    """Micro-batches of the step, including other pages; on the first page only."""

    rank_details: list[RankDetail]
    """Ranks in their order, with the micro-batches of this page. A rank without
    micro-batches on this page is left out.
    """

    next: NotRequired[str]
    """`cursor` of the next page; absent on the last."""


class BulkItem(TypedDict, total=False):
    """A pair of a micro-batch, scalars of its step and rank, or both."""

    step: int
    """Step of the training."""

    rank: int
    """Data-parallel rank."""

    micro_batch: int
    """Micro-batch of the rank."""

    attempt: int
    """Attempt of the trainer, incremented when it resumes."""

    numerator: float
    """Σ m·ℓ of the batch; `denominator` comes with it."""

    denominator: float
    """D, the denominator of that numerator."""

    scalars: Mapping[str, float]
    """Named numbers of the step and the rank, finite or not: the learning rate, the
    norm of the gradient, the validation loss. A name has 1 to 256 characters; slashes
    group names.
    """

    device: str
    """Device that computed the batch, as the trainer names it. A batch that was
    computed again on the same device, or on another, tells a faulty device from wrong
    data.
    """

    declared_loss: float
    """Loss that the trainer itself reports for this step on this rank; it is kept as
    the scalar `declared_loss`.
    """


class BulkResult(TypedDict):
    """Result of an item."""

    status: Literal[201, 200, 409, 422]
    """201: it is recorded. 200: it was recorded before. 409: other content is recorded,
    or a later attempt holds. 422: it is not valid.
    """

    code: NotRequired[str]
    """Code of the error: see docs/errors.md."""

    detail: NotRequired[str]
    """What came and what is expected."""


class BulkResults(TypedDict):
    """Results of the items."""

    results: list[BulkResult]
    """Results in the order of the items."""


class ScalarSummary(TypedDict):
    """A scalar of the run."""

    name: str
    """Name of a scalar: 1 to 256 characters, none of them a control character. Slashes
    group names.
    """

    points: int
    """Recorded numbers, of all steps, ranks and attempts."""

    last_step: NotRequired[int]
    """Last step with a number; absent where all were superseded."""

    last_value: NotRequired[float]
    """Mean over the ranks at that step."""


class ScalarList(TypedDict):
    """Scalars of a run."""

    scalars: list[ScalarSummary]
    """Scalars, by their names."""


class ScalarPoint(TypedDict):
    """A scalar at a step."""

    step: int
    """Step."""

    attempt: int
    """Attempt of the step."""

    value: float
    """Mean over the ranks that reported; not finite where one of them is not."""

    ranks: int
    """Ranks that reported."""

    min: NotRequired[float]
    """The least finite number of a rank; absent for a single rank."""

    max: NotRequired[float]
    """The greatest finite number of a rank; absent for a single rank."""

    non_finite: bool
    """True when the number of a rank is not finite."""

    spike: bool
    """True when the value is a spike by the rule of losses: see docs/diagnostics.md."""


class ScalarCurve(TypedDict):
    """A scalar of a run over its steps."""

    points: list[ScalarPoint]
    """Points in the order of their steps."""

    next: NotRequired[str]
    """`cursor` of the next page; absent on the last."""


class Attempt(TypedDict):
    """An attempt of the trainer."""

    attempt: int
    """Number of the attempt."""

    first_step: int
    """Its first step."""

    superseded_from: NotRequired[int]
    """First of its steps that a later attempt superseded; absent while it holds to its
    end.
    """


class AttemptList(TypedDict):
    """Attempts of a run."""

    attempts: list[Attempt]
    """Attempts in their order, the last 10,000."""


class InfoDtypes(TypedDict):
    """Element types by tensor."""

    logits: list[str]
    """dtypes of logits."""

    label: list[str]
    """dtypes of class indices."""


class InfoMediaTypes(TypedDict):
    """Media types."""

    request: list[str]
    """Media types of request bodies."""

    reply: list[str]
    """Media types of answers, for Accept."""


class InfoLimits(TypedDict):
    """Limits of requests; an absent limit is off."""

    max_row_bytes: int
    """Largest row of logits. A row is evaluated in one piece, so each worker may come
    to hold one.
    """

    max_elements: int
    """Most elements of logits. Other tensors are held in memory, and bounded by that.
    """

    max_body_bytes: int
    """Longest request body, as it comes and as it is decoded. Streamed logits are not
    held, so this bounds time, not memory.
    """

    max_json_bytes: int
    """Longest JSON body: JSON does not stream."""

    max_json_depth: int
    """Deepest nesting of arrays and objects in a JSON body."""

    max_decompression_ratio: int
    """Bytes that one byte of a compressed body may become, beyond the first 16 MiB."""

    max_header_bytes: int
    """Longest head of a request: its line and header fields."""

    max_bytes_in_flight: int
    """Bytes held over all requests: up to a quarter is slabs of logits under way, the
    rest fields that wait for others, results and answers.
    """

    max_requests_in_flight: int
    """Evaluations under way at a time. One whose client sends hardly anything does not
    count.
    """

    max_queued_requests: int
    """Evaluations that wait for others to end; further ones are refused with 429."""

    max_history_reads: int
    """Reads of the history under way at a time. One counts until its first page is
    read.
    """

    max_queued_history_reads: int
    """Reads of the history that wait for others; further ones are refused with 429."""

    max_event_streams: int
    """Open event streams of runs; further ones are refused with 429."""

    max_event_streams_per_client: int
    """Open event streams of one key, or of one address where no key is needed; further
    ones are refused with 429.
    """

    max_job_files: int
    """Most files of a job."""

    max_job_tasks: int
    """Files of all jobs that wait or are evaluated; a job with which there were more is
    refused with 429.
    """

    max_jobs: int
    """Jobs that are kept with their results. A further one takes the place of the
    oldest that has ended, and is refused with 429 when none has.
    """

    max_connections: int
    """Open connections; what comes beyond is closed at once. On the last sixteenth of
    them, at least 2 and at most 64, only probes are answered.
    """

    max_idle_connections_per_address: int
    """Connections of one address without a request under way; of more, the one that is
    idle longest is closed.
    """

    max_requests_per_minute: NotRequired[int]
    """Requests of a key per minute, or of an address where no key is needed; probes do
    not count.
    """

    min_bytes_per_second: int
    """Slowest client: one that the service waits for, and that sends or takes less over
    `stall_seconds`, is cut off. How long a request takes in all does not matter. While
    others wait for slabs, it is 40 KiB over 2 s.
    """

    stall_seconds: int
    """Seconds over which the progress of a client is judged; a head must arrive within
    them.
    """


class Info(TypedDict):
    """The version, the features and the limits of this service."""

    name: str
    """Name of the service."""

    version: str
    """Version of the service."""

    kernel: Literal["relaxed", "strict"]
    """Variant of the kernels in use."""

    workers: int
    """Kernel worker threads."""

    dtypes: InfoDtypes
    """Element types by tensor."""

    media_types: InfoMediaTypes
    """Media types."""

    content_encodings: list[str]
    """Content encodings of request bodies."""

    options: list[str]
    """Names of the options."""

    local_data: bool
    """True when requests can name files of a data directory instead of tensors."""

    object_storage: bool
    """True when requests can name objects of object storage instead of tensors."""

    limits: InfoLimits
    """Limits of requests; an absent limit is off."""
