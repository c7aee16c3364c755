"""Failures of Schemathesis's checks that are no faults, each with the reason."""

from dataclasses import dataclass, field
from re import Pattern, compile


@dataclass(frozen=True)
class Failure:
    """A failure of a check, with the answer that it is about."""

    check: str
    operation: str
    message: str
    status: int
    # Code of the problem; none of an answer that is none.
    code: str = ""
    detail: str = ""

    def __str__(self) -> str:
        answer = f"{self.status} {self.code}: {self.detail}"
        return f"{self.operation}: {self.check}: {self.message}\n    {answer}"


@dataclass(frozen=True)
class Explained:
    """Failures that have a reason."""

    why: str
    check: str
    operation: Pattern[str] = field(default=compile(""))
    message: Pattern[str] = field(default=compile(""))
    codes: frozenset[str] = frozenset()
    with_keys: bool = True

    def explains(self, failure: Failure, *, with_keys: bool) -> bool:
        return (
            self.check == failure.check
            and (self.with_keys or not with_keys)
            and self.operation.search(failure.operation) is not None
            and self.message.search(failure.message) is not None
            and (not self.codes or failure.code in self.codes)
        )


BATCHES = compile(
    r"^(POST /v1/(cross-entropy|diagnose|kl-divergence|logprobs)|PUT /v1/runs/\{run\}/steps/)"
)
INFERENCE = compile(r"^POST /v2/models/(cross_entropy|kl_divergence)/.*infer$")
RECORDING = compile(r"^PUT /v1/runs/\{run\}/steps/")
LISTING = compile(r"^GET /v1/runs$")
BULK = compile(r"^POST /v1/runs/\{run\}/batches$")
COMBINING = compile(r"^POST /v1/cross-entropy/combine$")


def refused(why: str, operation: Pattern[str], *codes: str) -> Explained:
    """A request that the schema allows, and that the service refuses."""
    check = "positive_data_acceptance"
    return Explained(why, check, operation=operation, codes=frozenset(codes))


EXPLAINED = (
    Explained(
        "A service without keys asks nobody for one.",
        check="ignored_auth",
        with_keys=False,
    ),
    Explained(
        "OpenAPI 3.1 has no schema of an event: that of an event stream is of its whole "
        "text, and is held against each of its events.",
        check="response_schema_conformance",
        operation=compile(r"^GET /v1/runs/\{run\}/events$"),
        message=compile(r"^Event #\d+: "),
    ),
    Explained(
        "null stands for a field that is absent, as some clients write it.",
        check="negative_data_rejection",
        operation=compile("|".join((BATCHES.pattern, INFERENCE.pattern))),
        message=compile("Incorrect type"),
    ),
    refused(
        "A schema says what a tensor may be, not that data have as many bytes or "
        "entries as its shape and dtype say, nor which numbers they are.",
        BATCHES,
        "invalid_tensor",
    ),
    refused(
        "A schema does not say that the tensors of a batch have as many rows.",
        BATCHES,
        "shape_mismatch",
    ),
    refused(
        "A schema does not say that a label is less than the number of classes.",
        BATCHES,
        "invalid_label",
    ),
    refused(
        "A schema does not say what numbers weights may be.",
        BATCHES,
        "invalid_weight",
    ),
    refused("A schema does not say what numbers a mask may be.", BATCHES, "invalid_mask"),
    refused(
        "A schema does not say that the columns of a shard are in its vocabulary.",
        BATCHES,
        "invalid_shard",
    ),
    refused(
        "Groups of parallel_config divide the rows and classes, which the schema of "
        "an option does not see; other options exclude each other.",
        BATCHES,
        "invalid_option",
    ),
    refused(
        "A safetensors file is bytes to a schema: it is refused as what it is not.",
        BATCHES,
        "truncated_body",
        "invalid_file",
        "malformed_body",
    ),
    refused(
        "A recording has either logits or a pair: a union of both would be unusable "
        "in generated clients.",
        RECORDING,
        "invalid_pair",
        "unknown_field",
        "missing_field",
    ),
    refused(
        "A cursor comes from the service: a schema does not say of which search and "
        "order it is.",
        LISTING,
        "bad_request",
    ),
    Explained(
        "Each item of a bulk recording has its own result: the request succeeds when an "
        "item is refused.",
        check="negative_data_rejection",
        operation=BULK,
    ),
    refused(
        "Items in MessagePack are bytes to a schema: they are refused as what they are not.",
        BULK,
        "bad_request",
        "malformed_body",
        "truncated_body",
    ),
    Explained(
        "A value of the query that is an empty list or object is not sent at all.",
        check="negative_data_rejection",
        operation=compile(r"^GET "),
        message=compile(r"in query - violates `enum`|query: violates `enum`"),
    ),
    refused("A partial is opaque, and comes from the service.", COMBINING, "invalid_partial"),
    refused(
        "Inputs and outputs of the Open Inference Protocol are lists: a schema does "
        "not say that none comes twice, that logits and label are there, nor how "
        "shape, datatype and data belong together.",
        INFERENCE,
        "malformed_body",
        "missing_field",
        "invalid_tensor",
        "shape_mismatch",
        "invalid_label",
        "invalid_weight",
        "invalid_mask",
        "truncated_body",
    ),
    refused(
        "The parameters of the Open Inference Protocol are a map: options by their "
        "names, with those of the protocol and of Triton, are told in words.",
        INFERENCE,
        "invalid_option",
    ),
)
