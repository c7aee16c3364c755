"""Requests and responses of the service as typed dictionaries.

Generated from the schemas of the service by `npm run generate`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict


class ParallelConfig(TypedDict, total=False):
    """The division of the batch by a sharded trainer: rows into `data_parallel` groups,
    classes into `model_parallel` shards. Rejected when the division leaves a remainder.
    The local loss of a group is Σ m·ℓ / (Σ m + 1e-8) over its counted rows, under every
    `semantics`. Shards change lse by less than one unit in the last place of float32;
    gradient, ranks and entropy are computed from whole rows.
    """

    data_parallel: int
    """Number of groups of consecutive rows, of equal size. The diagnostics have the
    local loss of each group.
    """

    model_parallel: int
    """Number of shards of consecutive classes, of equal size. Each shard is evaluated
    alone; the results are then merged.
    """


class Options(TypedDict, total=False):
    """Options of the loss. An absent or null option has its default."""

    reduction: Literal["mean", "sum", "none"] | None
    """Reduction of the row losses to one. `mean`: N / D + Z / D_z, with D_z = Σ m over
    counted rows, and D and D_z changed by `semantics`. `sum`: N + Z. `none`: no `loss`;
    the row losses m·(ℓ + λ·lse²) are returned as `outputs.per_token_loss`, 0 for rows
    that are not counted.
    """

    ignore_index: int | Sequence[int] | None
    """Label, or labels, whose rows are left out, even if the label is not in [0, C). An
    empty list ignores nothing. Rejected with class probabilities.
    """

    label_smoothing: float | None
    """Smoothing ε: mixes the target with the uniform distribution. For class indices, ℓ
    = (1−ε)·w_y·nll + (ε/C)·Σ_c w_c·(lse − x_c). For class probabilities p, ℓ = Σ_c
    w_c·p′_c·(lse − x_c) with p′ = (1−ε)·p + ε/C. With `semantics: "megatron"`,
    ε·C/(C−1) replaces ε; ε = 1 and C = 1 are rejected.
    """

    lse_square_scale: float | None
    """Coefficient λ of the z-loss Z = λ·Σ m·lse², which keeps logits from drifting. Z
    is separate from N, and `weight` does not apply to it.
    """

    softcap: float | None
    """Cap s: replaces each logit x by s·tanh(x / s), after `logit_scale`. Default: no
    cap. ±Inf become ±s, and are still reported.
    """

    logit_scale: float | None
    """Factor on the logits, applied before anything else: 1 / temperature."""

    class_axis: int | None
    """Axis of the classes in the logits; a negative number counts from the end. PyTorch
    uses axis 1. Class indices have the other axes; class probabilities and the gradient
    have all axes of the logits. Rows follow the other axes in their order, and `shift`
    applies along the last of them. When the class axis is not the last axis, the
    service buffers that axis and all later axes: for logits of shape (N, C, …), blocks
    of shape (C, …).
    """

    shift: int | None
    """Causal shift k along axis −2: logits at position t are scored against label and
    mask at t + k. The last k positions are left out: `rows.total` does not count them,
    and row outputs are k shorter along that axis. Logits with two axes are one
    sequence. With `segments`, the last k rows of each segment are left out instead, and
    row outputs are flat.
    """

    semantics: Literal["mindformers", "torch", "megatron"] | None
    """Denominator of the mean; the same rule applies to D and D_z. `mindformers`: D +
    1e-8, so the mean is 0 when nothing is counted. `torch`: D, so the mean is NaN when
    nothing is counted; class weights, and so D, may be negative. `megatron`: max(D, 1).
    """

    invalid_label: Literal["error", "zero_loss"] | None
    """Treatment of a counted row whose label is not in [0, C). `error`: the answer is
    422 with the place of the label. `zero_loss`: the row has the loss 0, whatever its
    logits are, and is still counted. With `ignore_index: []`, `zero_loss` matches
    mindformers.core.CrossEntropyLoss.
    """

    calculate_per_token_loss: bool | None
    """Megatron's pair: the answer has `numerator` = N and `denominator` = D but no
    `loss`; the caller sums both over ranks and divides.
    """

    check_for_nan_in_loss_and_grad: bool | None
    """Adds the Euclidean norm of the gradient, and the local loss of each data-parallel
    group, to the diagnostics. Both are also logged. The gradient itself is not
    returned.
    """

    parallel_config: ParallelConfig | None
    """The division of the batch by a sharded trainer: rows into `data_parallel` groups,
    classes into `model_parallel` shards. Rejected when the division leaves a remainder.
    The local loss of a group is Σ m·ℓ / (Σ m + 1e-8) over its counted rows, under every
    `semantics`. Shards change lse by less than one unit in the last place of float32;
    gradient, ranks and entropy are computed from whole rows.
    """

    on_non_finite: Literal["report", "reject"] | None
    """Answer when loss, numerator or z_loss is not finite: `report` answers 200 with
    the value, `reject` answers 422 `non_finite_loss` with the same `diagnostics` in the
    problem.
    """

    max_locations: int | None
    """Maximum number of non-finite logits that the diagnostics list: the first ones in
    row-major order.
    """

    gradient_dtype: Literal["float32"] | None
    """The dtype of `outputs.gradient`. Default: the dtype of the logits; float32 for
    float8 logits.
    """

    outputs: Sequence[Literal["per_token_loss", "lse", "gradient", "predictions", "target_rank", "entropy", "sequences"]] | None
    """Results to return: tensors under `outputs`, and `sequences` as a list at the top
    level of the answer. All tensors except `gradient` have one entry per row, shaped
    like class indices. `per_token_loss` (float64): m·(ℓ + λ·lse²), 0 for rows that are
    not counted. `gradient`: ∂loss/∂logits, shaped like `logits`, in the dtype of
    `gradient_dtype`; without a `loss`, ∂(N + Z)/∂logits. With s = softmax(x), W = Σ_c
    w_c and the denominators of `semantics`, the gradient for class indices is
    (m/D)·[(1−ε)·w_y·(s_c − 1[c=y]) + (ε/C)·(W·s_c − w_c)] + (m/D_z)·2λ·lse·s_c. For
    class probabilities, the first term is (m/D)·[s_c·Σ_k w_k·p′_k − w_c·p′_c].
    `softcap` multiplies the gradient by 1 − tanh², and `logit_scale` by its value. The
    gradient is 0 for rows that are not counted, and for invalid labels with
    `invalid_label: "zero_loss"`. `lse` (float64): log Σ exp x. `predictions` (int32):
    index of the largest logit, the lowest index on ties; −1 for rows that hold a NaN.
    `target_rank` (int32): number of classes before the label when classes are sorted by
    descending logit, then by index. With class probabilities, the label is the most
    probable class, the lowest index on ties. −1 for rows that are not counted, have an
    invalid label, or hold a NaN. `entropy` (float64): −Σ s·log s of the softmax, in
    nats.
    """

    metrics: Sequence[Literal["accuracy", "top5_accuracy", "mean_entropy", "ece", "sequence_perplexity", "standard_error", "bits_per_byte", "byte_perplexity", "word_perplexity"]] | None
    """Metrics to compute in addition to perplexity and bits_per_token. Unless stated
    otherwise, a metric is a mean over counted rows, weighted by the mask. `accuracy`:
    target_rank = 0. `top5_accuracy`: target_rank < min(5, C). A row that holds a NaN
    has no prediction: `accuracy` and `top5_accuracy` count it as a miss.
    `mean_entropy`: mean of `entropy`. `ece`: expected calibration error, Σ_b |Σ m·(hit
    − confidence)| / Σ m over the rows with a prediction, in 15 bins b of equal width
    over (0, 1] of the confidence max s. `sequence_perplexity`: mean of exp(Σ m·nll / Σ
    m) of each sequence, over the sequences with counted rows. Every sequence has the
    same weight, whatever its length. `standard_error`: standard error of `mean_nll`,
    √(n/(n−1)·Σ m²(nll − mean_nll)²) / Σ m over n counted rows; NaN with fewer than two.
    `bits_per_byte`: Σ m·nll / (ln 2 · Σ bytes), with the field `bytes`; a ratio of
    totals. `byte_perplexity`: exp(Σ m·nll / Σ bytes), with the field `bytes`.
    `word_perplexity`: exp(Σ m·nll / Σ words), with the field `words`.
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
    """Share of rows whose label is among the first min(5, C) classes in the order of
    descending logits.
    """

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
    """A sequence, over its counted rows. Without counted rows, `tokens` is 0, the other
    numbers are null, and means over sequences leave the sequence out.
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
    """A cause and, if it is in rows, its first location."""

    cause: Literal["nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label", "neg_inf_smoothed", "non_finite_probability", "zero_denominator", "accumulation_overflow"]
    """`nan_logit`, `pos_inf_logit`: a counted row holds NaN or +Inf, so its loss is
    NaN; with `softcap`, +Inf leaves the loss finite. `all_neg_inf_row`: all logits of a
    counted row are −Inf, so its loss is NaN. `neg_inf_at_label`: the logit of the
    label, or of a class with a probability other than 0, is −Inf, so nll is +Inf. The
    loss is +Inf too, unless the weight of the class is 0 or negative.
    `neg_inf_smoothed`: the logit of a class is −Inf, and `label_smoothing` gives the
    class a share of the target. The loss is +Inf; −Inf if the weight of the class is
    negative; NaN if both occur. `non_finite_probability`: a row of class probabilities
    holds a non-finite value, so its loss is not finite. `zero_denominator`: D is 0,
    because nothing is counted or the class weights of the counted rows sum to 0.
    `accumulation_overflow`: the loss of a row, or the sum over rows, exceeds the range
    of float64. With `invalid_label: "zero_loss"`, the non-finite logits of a row with
    an invalid label are reported too, although its loss is 0. `zero_denominator` and
    `accumulation_overflow` have no `first`. In combined partials, other causes may lack
    it too.
    """

    rows: int
    """Number of counted rows with this cause; 0 if the cause is not in single rows."""

    first: NotRequired[Place]
    """Place of a non-finite logit, or probability."""


class DiagnosticsLogits(TypedDict):
    """Exact counts over counted rows."""

    nan: int
    """NaN logits in counted rows."""

    pos_inf: int
    """+Inf logits in counted rows."""

    neg_inf: int
    """Number of −Inf logits in counted rows. −Inf at a class other than the label is
    valid: that class has probability 0.
    """

    max: NotRequired[float]
    """The greatest finite logit; absent when there is none."""

    bad_rows: int
    """Number of counted rows that contain NaN, +Inf or −Inf."""


class DiagnosticsLabels(TypedDict):
    """Labels of counted rows. Absent without labels, and with class probabilities."""

    min: NotRequired[int]
    """Least label; absent when nothing is counted."""

    max: NotRequired[int]
    """Greatest label; absent when nothing is counted."""

    out_of_range: int
    """Number of labels outside [0, C). Always 0, except with `invalid_label:
    "zero_loss"`.
    """


class DiagnosticsFloat16(TypedDict):
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    at_largest: int
    """Number of values equal to the largest finite value of the dtype: 65504 of
    float16, 448 of float8_e4m3fn, 57344 of float8_e5m2.
    """

    subnormal_fraction: float
    """Share of subnormal values, which have lost precision: 0 < |x| < 2^−14 of float16,
    2^−6 of float8_e4m3fn, 2^−14 of float8_e5m2. An evaluation samples the first 256
    values of each counted row; a diagnosis reads all values.
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
    """Norm of the gradient. Present with `check_for_nan_in_loss_and_grad`."""

    norm: float
    """Euclidean norm of the gradient with respect to the logits."""

    finite: bool
    """True when every element of the gradient is finite."""


class DiagnosticsWorstRow(TypedDict):
    """A row with a large loss."""

    row: int
    """Row of the batch, from 0."""

    label: int
    """Label of the row; with class probabilities, the most probable class."""

    loss: float
    """nll of the row, in nats, without weights, smoothing and mask."""

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
    """Causes that can make a loss non-finite; they are listed even when the loss is
    finite.
    """

    logits: DiagnosticsLogits
    """Exact counts over counted rows."""

    locations: list[Place]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: int
    """Number of left-out rows that contain a non-finite value. These rows do not affect
    the loss or the verdict.
    """

    nulls: NotRequired[int]
    """Number of null entries in `logits` and `label`. They are read as NaN, because
    some JSON writers write NaN as null. Absent when there are none.
    """

    labels: NotRequired[DiagnosticsLabels]
    """Labels of counted rows. Absent without labels, and with class probabilities."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    probabilities: NotRequired[DiagnosticsProbabilities]
    """Invalid class probabilities; absent with class indices."""

    gradient: NotRequired[DiagnosticsGradient]
    """Norm of the gradient. Present with `check_for_nan_in_loss_and_grad`."""

    rows_without_prediction: NotRequired[int]
    """Number of counted rows without a prediction, because one of their logits is NaN.
    `accuracy` and `top5_accuracy` count them as misses; `ece` leaves them out. Absent
    when no output or metric needs predictions.
    """

    worst_rows: list[DiagnosticsWorstRow]
    """The counted rows with the largest nll, the worst first; NaN is worse than every
    number.
    """

    local_losses: NotRequired[list[float]]
    """Local loss of each data-parallel group, in row order. Present with
    `check_for_nan_in_loss_and_grad`, or with more than one group.
    """


class DiagnosisValues(TypedDict):
    """Exact counts over counted rows."""

    total: int
    """Values of the counted rows."""

    nan: int
    """Number of NaN values."""

    pos_inf: int
    """Number of +Inf values."""

    neg_inf: int
    """Number of −Inf values."""

    zero: int
    """Number of zeros."""

    subnormal: int
    """Number of subnormal values of the dtype. They have lost precision."""

    min: NotRequired[float]
    """Least finite value; absent when there is none."""

    max: NotRequired[float]
    """Greatest finite value; absent when there is none."""

    bad_rows: int
    """Rows that hold a value that is not finite."""


class DiagnosisMagnitude(TypedDict):
    """A bin of values with 2^e ≤ |x| < 2^(e+1)."""

    exponent: int
    """Exponent e of the values with 2^e ≤ |x| < 2^(e+1). The bin of −1023 also holds
    all values with 0 < |x| < 2^−1023.
    """

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
    """Number of counted rows in which the column is not finite."""


class DiagnosisColumns(TypedDict):
    """Hot spots: columns that are non-finite in many rows."""

    bad: int
    """Number of columns that are not finite in at least one counted row."""

    bad_in_most_rows: int
    """Columns that are not finite in more than half of the counted rows."""

    worst: list[DiagnosisColumnsWorst]
    """The columns that are non-finite in the most rows, worst first; ties in column
    order.
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
    """Shape of the tensor."""

    rows: RowCounts
    """Numbers of counted, ignored and masked rows."""

    values: DiagnosisValues
    """Exact counts over counted rows."""

    causes: list[Cause]
    """Causes that can make a loss non-finite; they are listed even when the loss is
    finite.
    """

    locations: list[Place]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: int
    """Number of left-out rows that contain a non-finite value. These rows do not affect
    the loss or the verdict.
    """

    nulls: NotRequired[int]
    """Number of null entries in `logits` and `label`. They are read as NaN, because
    some JSON writers write NaN as null. Absent when there are none.
    """

    magnitudes: list[DiagnosisMagnitude]
    """A histogram of finite values other than 0 by their magnitude; empty bins are left
    out.
    """

    row_norms: NotRequired[DiagnosisRowNorms]
    """Norms of counted rows, over their finite values."""

    columns: DiagnosisColumns
    """Hot spots: columns that are non-finite in many rows."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
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
    """β of `jensen_shannon`. The formula applies for 0 < β < 1. β = 0 selects forward
    KL, and β = 1 selects reverse KL. Rejected with another `direction`.
    """

    logit_scale: float | None
    """Factor s on the logits of both sides, applied first: 1 / temperature."""

    tail: Literal["bucket", "drop"] | None
    """Treatment of the classes outside the top K of a `reference` of `indices` and
    `logprobs`. `bucket`: they count as one class, with the reference probability 1 − Σ
    p. `drop`: they are left out; the divergence is Σ p·ln(p/q) over the top K only, and
    may be negative. Rejected with other references.
    """

    reference_floor: float | None
    """Floor f, in nats: classes with ln p ≤ −f are left out. The divergence is then Σ
    p·ln(p/q) over the other classes, and may be slightly negative. Default: 16 with a
    llama.cpp file, which does not distinguish smaller probabilities; otherwise none.
    Requires `direction: "forward"`. Rejected with the top K of a reference.
    """

    ignore_index: int | Sequence[int] | None
    """Label, or labels, whose rows are left out, even if the label is not in [0, C). An
    empty list ignores nothing. Rejected with class probabilities.
    """

    shift: int | None
    """Causal shift k along axis −2: logits at position t are scored against label and
    mask at t + k. The last k positions are left out: `rows.total` does not count them,
    and row outputs are k shorter along that axis. Logits with two axes are one
    sequence. With `segments`, the last k rows of each segment are left out instead, and
    row outputs are flat.
    """

    semantics: Literal["mindformers", "torch", "megatron"] | None
    """Denominator of the mean. `mindformers`: D + 1e-8, so the mean is 0 when nothing
    is counted. `torch`: D, so the mean is NaN when nothing is counted. `megatron`:
    max(D, 1). Statistics are always divided by D.
    """

    reduction: Literal["mean", "sum", "none"] | None
    """Reduction of the divergences to one `loss`. `mean`: N / D, with the denominator
    of `semantics`. `sum`: N. `none`: no `loss`; request `outputs: ["kl_divergence"]`.
    """

    on_non_finite: Literal["report", "reject"] | None
    """Answer when the numerator is not finite: `report` answers 200 with the value,
    `reject` answers 422 `non_finite_loss` with the same `diagnostics` in the problem.
    """

    max_locations: int | None
    """Maximum number of non-finite logits that the diagnostics list: the first ones in
    row-major order.
    """

    worst_rows: int | None
    """Maximum number of rows that `worst_rows` lists: those with the largest
    divergence.
    """

    gradient_dtype: Literal["float32"] | None
    """The dtype of `outputs.gradient`. Default: the dtype of the logits; float32 for
    float8 logits.
    """

    outputs: Sequence[Literal["kl_divergence", "probability_difference", "nll", "reference_nll", "top1_agreement", "gradient", "sequences"]] | None
    """Results to return: tensors under `outputs`, and `sequences` as a list at the top
    level of the answer. All tensors except `gradient` have one entry per row; 0 for
    rows that are not counted. `kl_divergence` (float64): the divergence, in nats.
    `probability_difference` (float64): q_y − p_y, the probability of the label under
    `logits` minus that under `reference`; needs `label`. `nll` (float64): −log q_y of
    `logits`; needs `label`. `reference_nll` (float64): −log p_y of `reference`; needs
    `label`. `top1_agreement` (int32): 1 when both sides have the same most probable
    class (the lowest index on ties), else 0. `gradient`: ∂loss/∂logits, shaped like
    `logits`, in the dtype of `gradient_dtype`; without a `loss`, ∂N/∂logits. For class
    c it is a·s·(q_c − p_c) for `forward`, a·s·q_c·(ln(q_c/p_c) − KL(Q‖P)) for
    `reverse`, and a·s·(1−β)·q_c·(ln(q_c/μ_c) − KL(Q‖M)) for `jensen_shannon`, where μ_c
    is the probability of c under M. The factor a is m/D for a mean, with the
    denominator of `semantics`, and m otherwise. With classes left out by the floor, it
    is a·s·(q_c·Σp − p_c), with p_c = 0 for these classes. docs/compare.md has the
    gradient for the top K of a reference.
    """


class DivergenceStatistics(TypedDict):
    """Divergence of the counted rows, in nats. Mean and standard error are weighted by
    the mask.
    """

    mean: float | None
    """Σ m·divergence / Σ m, in nats; null when nothing is counted."""

    standard_error: float | None
    """Standard error of the mean; null with fewer than two counted rows, or when
    infinite.
    """

    min: float | None
    """Least divergence."""

    max: float | None
    """Greatest divergence."""

    percentiles: Mapping[str, float | None]
    """Percentiles over counted rows, unweighted, with linear interpolation between
    neighbours. NaN rows are left out.
    """


class Agreement(TypedDict):
    """Agreement of the most probable classes."""

    fraction: float | None
    """Share of the counted rows in which both sides have the same most probable class,
    weighted by the mask.
    """

    standard_error: float | None
    """Standard error of the fraction; null with fewer than two counted rows, or when
    infinite.
    """


class ProbabilityDifference(TypedDict):
    """Probability of the label under `logits` minus that under `reference`, as a
    fraction; with labels only.
    """

    mean: float | None
    """Mean of q_y − p_y."""

    standard_error: float | None
    """Standard error of the mean; null with fewer than two counted rows, or when
    infinite.
    """

    rms: float | None
    """√ of the mean of (q_y − p_y)²."""

    rms_standard_error: float | None
    """Standard error of rms; null with fewer than two counted rows, or when infinite.
    """

    min: float | None
    """Least difference."""

    max: float | None
    """Greatest difference."""

    percentiles: Mapping[str, float | None]
    """Percentiles over counted rows, unweighted, with linear interpolation between
    neighbours. NaN rows are left out.
    """


class ComparedPerplexityLogits(TypedDict):
    """exp of the mean nll of `logits`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of the value; null with fewer than two counted rows, or when
    infinite.
    """


class ComparedPerplexityReference(TypedDict):
    """exp of the mean nll of `reference`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of the value; null with fewer than two counted rows, or when
    infinite.
    """


class ComparedPerplexityLogRatio(TypedDict):
    """Mean of nll − reference_nll: ln of the ratio."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of the value; null with fewer than two counted rows, or when
    infinite.
    """


class ComparedPerplexityRatio(TypedDict):
    """Perplexity of `logits` over that of `reference`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of the value; null with fewer than two counted rows, or when
    infinite.
    """


class ComparedPerplexityDifference(TypedDict):
    """Perplexity of `logits` minus that of `reference`."""

    value: float | None
    """The value."""

    standard_error: float | None
    """Standard error of the value; null with fewer than two counted rows, or when
    infinite.
    """


class ComparedPerplexity(TypedDict):
    """Perplexities of both sides on the labels. Present only with labels."""

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
    """Correlation over rows between the nll of both sides; null when the nll of one
    side is constant.
    """


class DivergentRow(TypedDict):
    """A row with a large divergence."""

    row: int
    """Row of the batch, from 0."""

    kl_divergence: float
    """Its divergence, in nats."""

    prediction: int
    """Most probable class under `logits`."""

    reference_prediction: int
    """Most probable class under `reference`; −1 when the top K does not determine it.
    """

    label: NotRequired[int]
    """Its label."""

    nll: NotRequired[float]
    """nll of the label under `logits`."""

    reference_nll: NotRequired[float]
    """nll of the label under `reference`."""


class ComparisonDiagnosticsCause(TypedDict):
    """A cause with its side and, if it is in rows, its first location."""

    side: Literal["logits", "reference"]
    """The side with this cause."""

    cause: Literal["nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label", "reference_mass_at_neg_inf", "logits_mass_at_neg_inf", "zero_denominator", "accumulation_overflow"]
    """`nan_logit`, `pos_inf_logit`, `all_neg_inf_row`: a counted row holds NaN, holds
    +Inf, or has only −Inf, so its divergence is NaN. `reference_mass_at_neg_inf`: the
    logit of a class is −Inf in `logits`, but its probability under `reference` is not
    0, so forward KL is +Inf. `logits_mass_at_neg_inf`: the same with the sides swapped,
    so reverse KL is +Inf. `neg_inf_at_label`: the logit of the label is −Inf, so its
    nll and the perplexity are +Inf. `accumulation_overflow`: the sum exceeds the range
    of float64. `zero_denominator`: nothing is counted.
    """

    rows: int
    """Number of counted rows with this cause; 0 if the cause is not in single rows."""

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
    """Number of left-out rows that contain a non-finite value. These rows do not affect
    the loss or the verdict.
    """

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
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
    """True when classes of the reference were left out: by `reference_floor`, by `tail:
    "drop"`, or in a llama.cpp file, which is quantised. The divergence is then Σ
    p·ln(p/q) over the other classes, and may be slightly negative.
    """

    nulls: NotRequired[int]
    """Number of null entries in `logits` and `label`. They are read as NaN, because
    some JSON writers write NaN as null. Absent when there are none.
    """

    labels: NotRequired[DiagnosticsLabels]
    """Labels of counted rows. Absent without labels, and with class probabilities."""


class SequenceOfLogits(TypedDict):
    """Values of the labels under `logits`. Present only with labels."""

    mean_nll: float | None
    """Σ m·nll / Σ m of the labels."""

    perplexity: float | None
    """exp(mean_nll)."""


class SequenceOfReference(TypedDict):
    """Values of the labels under `reference`. Present only with labels."""

    mean_nll: float | None
    """Σ m·nll / Σ m of the labels."""

    perplexity: float | None
    """exp(mean_nll)."""


class ComparedSequence(TypedDict):
    """A sequence, over its counted rows. Without counted rows, `tokens` is 0, the other
    numbers are null, and means over sequences leave the sequence out.
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
    """Values of the labels under `logits`. Present only with labels."""

    reference: NotRequired[SequenceOfReference]
    """Values of the labels under `reference`. Present only with labels."""


class SequenceComparisonPerplexity(TypedDict):
    """exp of the mean of −log-probability over the counted tokens."""

    old: float | None
    """Perplexity of `old`."""

    new: float | None
    """Perplexity of `new`."""


class SequenceComparison(TypedDict):
    """A sequence. Without counted tokens, `tokens` is 0, the other numbers are null,
    and means over sequences leave the sequence out.
    """

    tokens: int
    """Counted tokens."""

    log_ratio: float | None
    """Σ r."""

    k1: float | None
    """Mean of −r, an estimator of KL(old‖new) that may be negative."""

    k3: float | None
    """Mean of ρ − 1 − r, an estimator of KL(old‖new) that is never negative."""

    perplexity: SequenceComparisonPerplexity
    """exp of the mean of −log-probability over the counted tokens."""


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
    """The comparison over the n counted tokens, with r = new − old and ρ = e^r of each
    token. Nothing is clamped or truncated: a value that overflows float64 is Infinity.
    Without counted tokens, all numbers are null, except the numbers in `tokens`.
    """

    tokens: LogprobComparisonTokens
    """Numbers of counted and masked tokens."""

    k1: float | None
    """Mean of −r, an estimator of KL(old‖new) that may be negative."""

    k3: float | None
    """Mean of ρ − 1 − r, an estimator of KL(old‖new) that is never negative."""

    chi2_token: float | None
    """Mean of ρ² over tokens, minus 1."""

    chi2_sequence: float | None
    """Mean over sequences of (Π ρ)², minus 1, with the product over the tokens of a
    sequence.
    """

    effective_sample_size: float | None
    """(Σ ρ)² / (n·Σ ρ²): the effective share of the tokens under the importance weights
    ρ.
    """

    mean_absolute_difference: float | None
    """Mean of |r|."""

    fraction_outside: float | None
    """Share of tokens with ρ < 0.9 or ρ > 1.1."""

    perplexity: LogprobComparisonPerplexity
    """Mean over sequences of their perplexities."""

    worst_tokens: list[LogprobComparisonWorstToken]
    """The tokens with the largest |r|, largest first; ties in token order."""

    sequences: list[SequenceComparison]
    """Every sequence, in order."""

    hint: NotRequired[Literal["renormalised_support"]]
    """`renormalised_support`: `old` was renormalised over a truncated support, by top-p
    or top-k, and `new` was not. A heuristic: of at least 32 counted tokens with `old`
    below −0.1, more than half have r < −0.02, and at most 10% have r > 0.01. The
    heuristic misses supports that keep more than 98% of the probability mass. A
    constant downward shift triggers it too, but cannot occur between two normalised
    distributions.
    """


class RunSummary(TypedDict):
    """A summary of a run."""

    run: str
    """Name of the run: 1 to 256 Unicode characters (code points). In a path, the name
    is percent-encoded, including slashes. Not allowed: control characters, white space
    at either end, `.` or `..` as a part between slashes, and `~removed ` at the
    beginning. Names are case-sensitive, and Unicode is not normalised.
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

    state: Literal["running", "finished", "failed", "crashed", "idle"]
    """`running`, `finished` or `failed`: the state that the trainer last reported. A
    recording more than a minute after a reported end makes the run `running` again.
    `crashed`: the run was `running`, but nothing was recorded or reported for 30
    minutes. Without a reported state, a run is `running` while its `status` is
    `active`, and `idle` otherwise.
    """

    notes: str
    """Notes on the run, as plain text."""

    tags: list[str]
    """Tags, each once."""

    archived: bool
    """True for an archived run, which lists leave out by default."""

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
    """Number of matching runs on all pages. Only the first page has this field."""

    active: NotRequired[int]
    """Number of matching runs on all pages whose `status` is `active`. Only the first
    page has this field.
    """

    non_finite: NotRequired[int]
    """Number of matching runs on all pages with non-finite steps. Only the first page
    has this field.
    """


class StepPointRankLosses(TypedDict):
    """Finite local losses of ranks; absent when there is none."""

    min: float
    """The smallest loss."""

    max: float
    """The largest loss."""


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
    """True when all `expected_ranks` reported. Without `expected_ranks`: when all known
    ranks of the run reported.
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


class Normalisation(TypedDict):
    """Loss of the step, averaged in three ways that trainers often confuse. Each sum is
    exact, so the order of the batches has no effect. Only the first page of a step has
    this field. Steps with more than 100,000 micro-batches do not have it.
    """

    token_mean: float
    """Σ numerators / Σ denominators: the loss of the step."""

    mean_of_means: float
    """Unweighted mean of the losses of all micro-batches; those that count nothing are
    left out.
    """

    mean_of_rank_means: float
    """Unweighted mean of the losses of the ranks, each Σ numerators / Σ denominators of
    the rank.
    """

    relative_difference: float
    """(mean_of_means − token_mean) / |token_mean|."""


class PlaceInStep(TypedDict):
    """A micro-batch of the step."""

    rank: int
    """Rank."""

    micro_batch: int
    """Micro-batch of the rank."""


class Disagreement(TypedDict):
    """Batches of a step that do not agree."""

    kind: Literal["declared_loss_differs", "rank_apart", "same_batch", "stale_labels"]
    """`declared_loss_differs`: the declared loss of ranks differs from the recorded
    loss. `rank_apart`: the loss of a rank is far from the losses of the other ranks.
    `same_batch`: ranks recorded the same batch. `stale_labels`: a batch has the labels
    of the previous step, but different logits. docs/diagnostics.md has the rules.
    """

    summary: str
    """The finding in a sentence."""

    ranks: list[int]
    """The ranks concerned; the first 1024."""

    declared: NotRequired[float]
    """Declared loss of the first rank of `ranks`."""

    recorded: NotRequired[float]
    """Recorded loss of the same rank: its mean over tokens."""

    relative_difference: NotRequired[float]
    """(declared − recorded) / |recorded|."""

    reproduced_by: NotRequired[Literal["mean_of_means", "rank_mean_of_means", "mean_of_rank_means", "sum", "rank_sum", "sum_of_means", "rank_sum_of_means", "last_micro_batch", "first_micro_batch", "divided_by_micro_batches", "divided_by_ranks", "times_ranks", "rank_share", "bits_per_token", "perplexity"] | None]
    """Averaging method that gives the declared loss; null when none is known."""

    loss: NotRequired[float]
    """Loss of the rank."""

    median: NotRequired[float]
    """Median of the losses of all ranks."""

    tolerance: NotRequired[float]
    """Largest distance from the median that is not reported."""

    explained_by: NotRequired[Literal["sum", "sum_of_means", "divided_by_micro_batches", "divided_by_denominator"] | None]
    """Normalisation error that explains the distance of the rank from the others; null
    when none does.
    """

    micro_batches: NotRequired[list[PlaceInStep]]
    """The micro-batches concerned; the first 64."""

    previous_step: NotRequired[int]
    """Earlier step with the same labels."""


class RerunAttempt(TypedDict):
    """A result of the micro-batch."""

    attempt: int
    """Attempt of the trainer."""

    device: NotRequired[str]
    """Device that computed this result, as the trainer named it."""

    loss: float
    """numerator / denominator."""


class Rerun(TypedDict):
    """A micro-batch that was recorded in several attempts."""

    rank: int
    """Rank."""

    micro_batch: int
    """Micro-batch of the rank."""

    attempts: list[RerunAttempt]
    """Results in the order of their attempts, the last 32."""

    same_bits: bool
    """True when all results have the same bits."""

    same_labels: NotRequired[bool]
    """False when the labels, and so the batches, differ. Absent when the labels are
    unknown.
    """

    relative_difference: float
    """(loss − first) / |first|. `first` is the loss of the first attempt, and `loss` is
    the loss that is farthest from it.
    """

    first_differing_row: NotRequired[int]
    """First row that has different losses in the first attempt and in the next attempt
    with another result. Absent when no row differs, or row losses are not stored.
    """

    verdict: Literal["transient", "persistent", "correct", "undetermined"]
    """`transient`: the same device gave a different result. `persistent`: the same
    device repeated its result, and another device gave a different one. `correct`: all
    devices, at least two, gave the same result. `undetermined`: the attempts and their
    devices do not decide, or the batches differ.
    """


class RerunList(TypedDict):
    """Micro-batches of a step that were computed again."""

    reruns: list[Rerun]
    """In the order of rank and micro-batch."""

    next: NotRequired[str]
    """`cursor` of the next page; absent on the last."""


class RunDifferenceRow(TypedDict):
    """The first row that differs; absent when row losses are not stored."""

    row: int
    """Index of the row."""

    loss: float
    """Its loss in this run."""

    other_loss: float
    """Its loss in the other run."""


class RunDifference(TypedDict):
    """The first micro-batch that differs."""

    step: int
    """Step."""

    rank: int
    """Rank."""

    micro_batch: int
    """Micro-batch of the rank."""

    loss: float
    """Loss of the micro-batch in this run."""

    other_loss: float
    """Its loss in the other run."""

    relative_difference: float
    """(other_loss − loss) / |loss|."""

    device: NotRequired[str]
    """Device of this run."""

    other_device: NotRequired[str]
    """Device of the other run."""

    same_labels: NotRequired[bool]
    """False when the labels, and so the batches, differ. Absent when the labels are
    unknown.
    """

    row: NotRequired[RunDifferenceRow]
    """The first row that differs; absent when row losses are not stored."""


class BatchPlace(TypedDict):
    """First micro-batch that only this run has. Micro-batches after the end of the
    other run are not compared.
    """

    step: int
    """Step."""

    rank: int
    """Rank."""

    micro_batch: int
    """Micro-batch of the rank."""


class RunComparisonOnlyThere(TypedDict):
    """First micro-batch that only the other run has. Micro-batches after the end of
    this run are not compared.
    """

    step: int
    """Step."""

    rank: int
    """Rank."""

    micro_batch: int
    """Micro-batch of the rank."""


class RunComparison(TypedDict):
    """The first difference of two runs."""

    same: int
    """Number of micro-batches that this request compared and that have identical bits
    in both runs.
    """

    difference: NotRequired[RunDifference]
    """The first micro-batch that differs."""

    only_here: NotRequired[BatchPlace]
    """First micro-batch that only this run has. Micro-batches after the end of the
    other run are not compared.
    """

    only_there: NotRequired[RunComparisonOnlyThere]
    """First micro-batch that only the other run has. Micro-batches after the end of
    this run are not compared.
    """

    next: NotRequired[str]
    """`cursor` that continues the comparison; absent when a difference, or the end of a
    run, is reached.
    """


class MicroBatchDiagnostics(TypedDict):
    """Verdict, summary and causes. When the evaluation has findings: its full
    diagnostics, with at most 64 `locations` and 64 `local_losses`.
    """

    verdict: Literal["finite", "non_finite"]
    """`finite` when loss, numerator and z_loss are finite."""

    summary: str
    """The findings in one line, for logs and notebooks."""

    causes: list[Cause]
    """Causes that can make a loss non-finite; they are listed even when the loss is
    finite.
    """

    logits: NotRequired[DiagnosticsLogits]
    """Exact counts over counted rows."""

    locations: NotRequired[list[Place]]
    """The first non-finite logits in row-major order, including rows that are left out;
    at most `options.max_locations`.
    """

    masked_rows_non_finite: NotRequired[int]
    """Number of left-out rows that contain a non-finite value. These rows do not affect
    the loss or the verdict.
    """

    nulls: NotRequired[int]
    """Number of null entries in `logits` and `label`. They are read as NaN, because
    some JSON writers write NaN as null. Absent when there are none.
    """

    labels: NotRequired[DiagnosticsLabels]
    """Labels of counted rows. Absent without labels, and with class probabilities."""

    float16: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    float8: NotRequired[DiagnosticsFloat16]
    """Signs of overflow and underflow, over counted rows: `float16` for float16,
    `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no
    Infinity: values beyond 448 become NaN.
    """

    probabilities: NotRequired[DiagnosticsProbabilities]
    """Invalid class probabilities; absent with class indices."""

    gradient: NotRequired[DiagnosticsGradient]
    """Norm of the gradient. Present with `check_for_nan_in_loss_and_grad`."""

    rows_without_prediction: NotRequired[int]
    """Number of counted rows without a prediction, because one of their logits is NaN.
    `accuracy` and `top5_accuracy` count them as misses; `ece` leaves them out. Absent
    when no output or metric needs predictions.
    """

    worst_rows: NotRequired[list[DiagnosticsWorstRow]]
    """The counted rows with the largest nll, the worst first; NaN is worse than every
    number.
    """

    local_losses: NotRequired[list[float]]
    """Local loss of each data-parallel group, in row order. Present with
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

    device: NotRequired[str]
    """Device that computed the micro-batch, as the trainer named it."""

    recorded_at: str
    """Time of the recording."""

    diagnostics: MicroBatchDiagnostics
    """Verdict, summary and causes. When the evaluation has findings: its full
    diagnostics, with at most 64 `locations` and 64 `local_losses`.
    """


class RankDetail(TypedDict):
    """A rank."""

    rank: int
    """Data-parallel rank."""

    loss: float
    """Local loss of the rank: Σ numerators / Σ denominators over all its micro-batches.
    """

    numerator: float
    """Σ numerators."""

    denominator: float
    """Σ denominators."""

    micro_batches: list[MicroBatch]
    """Micro-batches of the rank on this page, in ascending order."""


class StepDetail(TypedDict):
    """A step with its ranks and micro-batches."""

    run: str
    """Name of the run: 1 to 256 Unicode characters (code points). In a path, the name
    is percent-encoded, including slashes. Not allowed: control characters, white space
    at either end, `.` or `..` as a part between slashes, and `~removed ` at the
    beginning. Names are case-sensitive, and Unicode is not normalised.
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
    """True when all `expected_ranks` reported. Without `expected_ranks`: when all known
    ranks of the run reported.
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

    normalisation: NotRequired[Normalisation]
    """Loss of the step, averaged in three ways that trainers often confuse. Each sum is
    exact, so the order of the batches has no effect. Only the first page of a step has
    this field. Steps with more than 100,000 micro-batches do not have it.
    """

    disagreement: NotRequired[list[Disagreement]]
    """Batches that disagree with each other, or with the declared loss; empty when all
    agree. Absent when `normalisation` is absent.
    """

    batches: NotRequired[int]
    """Number of micro-batches of the step, on all pages. Only the first page has this
    field.
    """

    rank_details: list[RankDetail]
    """Ranks in their order, with the micro-batches of this page. A rank without
    micro-batches on this page is left out.
    """

    next: NotRequired[str]
    """`cursor` of the next page; absent on the last."""


class BulkItem(TypedDict, total=False):
    """A pair (`numerator` and `denominator` of a micro-batch), scalars of its step and
    rank, or both. `device` requires the pair.
    """

    step: int
    """Step of the training."""

    rank: int
    """Data-parallel rank."""

    micro_batch: int
    """Micro-batch of the rank."""

    attempt: int
    """Attempt of the trainer, incremented when it resumes."""

    numerator: float
    """N = Σ m·ℓ of the batch. Requires `denominator`."""

    denominator: float
    """D, the denominator that belongs to `numerator`. Not negative."""

    scalars: Mapping[str, float]
    """Named numbers of the step and the rank, finite or not: the learning rate, the
    norm of the gradient, the validation loss. A name has 1 to 256 characters, none of
    them a control character; slashes group names.
    """

    device: str
    """Device that computed the batch, as the trainer names it, without control
    characters. When a batch is computed again, the devices distinguish a faulty device
    from wrong data.
    """

    declared_loss: float
    """Loss that the trainer itself reports for this step and rank. Stored as the scalar
    `declared_loss`.
    """


class BulkResult(TypedDict):
    """Result of an item."""

    status: Literal[201, 200, 409, 422]
    """201: the item is recorded. 200: the same content was already recorded. 409:
    different content is already recorded, or a later attempt supersedes the item. 422:
    the item is invalid.
    """

    code: NotRequired[str]
    """Code of the error: see docs/errors.md."""

    detail: NotRequired[str]
    """The received value and the expected value."""


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
    """Last step with a number; absent when all numbers are superseded."""

    last_value: NotRequired[float]
    """Mean over the ranks at `last_step`."""


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
    """Mean over the ranks that reported; not finite when the number of a rank is not
    finite.
    """

    ranks: int
    """Ranks that reported."""

    min: NotRequired[float]
    """The least finite number of a rank; absent for a single rank."""

    max: NotRequired[float]
    """The greatest finite number of a rank; absent for a single rank."""

    non_finite: bool
    """True when the number of a rank is not finite."""

    spike: bool
    """True when the value is a spike, by the same rule as for losses: see
    docs/diagnostics.md.
    """


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
    """First step of the attempt."""

    superseded_from: NotRequired[int]
    """First step of this attempt that a later attempt superseded; absent when none is
    superseded.
    """


class AttemptList(TypedDict):
    """Attempts of a run."""

    attempts: list[Attempt]
    """The last 10,000 attempts, in ascending order."""


class InfoDtypes(TypedDict):
    """Element types by tensor."""

    logits: list[str]
    """dtypes of logits."""

    label: list[str]
    """dtypes of labels: integers are class indices, floating point is class
    probabilities.
    """


class InfoMediaTypes(TypedDict):
    """Media types."""

    request: list[str]
    """Media types of request bodies."""

    reply: list[str]
    """Media types of answers, for Accept."""


class InfoLimits(TypedDict):
    """Limits of requests; an absent limit is off."""

    max_row_bytes: int
    """Maximum size of a row of logits, in bytes. A row is evaluated in one piece, so
    each worker may hold a whole row in memory.
    """

    max_elements: int
    """Maximum number of elements of logits. Other tensors are buffered, and limited by
    the memory of requests.
    """

    max_body_bytes: int
    """Maximum length of a request body, in bytes, both as received and as decompressed.
    Streamed logits are not buffered, so this limits time, not memory.
    """

    max_json_bytes: int
    """Maximum length of a JSON body, in bytes. JSON is not streamed."""

    max_json_depth: int
    """Maximum nesting depth of arrays and objects in a JSON body."""

    max_decompression_ratio: int
    """Maximum number of bytes that one byte of a compressed body may decompress to. The
    first 16 MiB are exempt.
    """

    max_header_bytes: int
    """Maximum length of the head of a request, in bytes: its request line and header
    fields.
    """

    max_bytes_in_flight: int
    """Maximum memory of all requests together, in bytes. Up to a quarter holds slabs of
    logits; the rest holds buffered fields, results and answers.
    """

    max_requests_in_flight: int
    """Maximum number of concurrent evaluations. An evaluation does not count while the
    service waits for its client and the client sends less than 40 KiB/s.
    """

    max_queued_requests: int
    """Maximum number of evaluations that wait to begin; further ones are refused with
    429.
    """

    max_history_reads: int
    """Maximum number of concurrent reads of the history. A read counts until its first
    page is read.
    """

    max_queued_history_reads: int
    """Maximum number of reads of the history that wait to begin; further ones are
    refused with 429.
    """

    max_event_streams: int
    """Maximum number of open event streams, of runs and jobs together; further ones are
    refused with 429.
    """

    max_event_streams_per_client: int
    """Maximum number of open event streams of one key, or of one address when no key is
    needed; further ones are refused with 429.
    """

    max_job_files: int
    """Maximum number of files of a job."""

    max_job_tasks: int
    """Maximum number of pending files over all jobs; a job that would exceed it is
    refused with 429.
    """

    max_jobs: int
    """Maximum number of jobs kept with their results. A new job replaces the oldest job
    that has ended. It is refused with 429 when no job has ended.
    """

    max_connections: int
    """Maximum number of open connections; further ones are closed at once. One
    sixteenth of the connections, at least 2 and at most 64, is reserved for probes.
    """

    max_idle_connections_per_address: int
    """Maximum number of idle connections of one address. Beyond it, the connection that
    is idle longest is closed.
    """

    max_requests_per_minute: NotRequired[int]
    """Maximum number of requests per minute of a key, or of an address when no key is
    needed. Probes do not count.
    """

    max_runs_per_key: NotRequired[int]
    """Maximum number of runs that a key may have created; further ones are refused with
    403 `quota_exceeded` until one is deleted.
    """

    min_bytes_per_second: int
    """Minimum rate of a client, in bytes per second over `stall_seconds`. A client that
    sends or receives more slowly while the service waits for it is cut off. The total
    duration of a request is not limited. While other requests wait for memory, a client
    must send at least 40 KiB/s, measured over 2 s.
    """

    stall_seconds: int
    """Seconds over which the rate of a client is measured. The head of a request must
    arrive within this time.
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
