"""The list explains what it says, and nothing else."""

from dataclasses import replace

from explained import EXPLAINED, Failure

LABEL = Failure(
    check="positive_data_acceptance",
    operation="POST /v1/cross-entropy",
    message="Valid data should have been accepted",
    status=422,
    code="invalid_label",
)


def is_explained(failure: Failure, *, with_keys: bool = False) -> bool:
    return any(one.explains(failure, with_keys=with_keys) for one in EXPLAINED)


def test_a_refusal_is_explained_by_its_operation_and_its_code() -> None:
    assert is_explained(LABEL)
    assert not is_explained(replace(LABEL, code="internal"))
    assert not is_explained(replace(LABEL, operation="GET /v1/runs"))
    assert not is_explained(replace(LABEL, check="status_code_conformance"))


def test_a_key_is_not_asked_for_only_where_there_are_none() -> None:
    ignored = replace(LABEL, check="ignored_auth", status=200, code="")
    assert is_explained(ignored)
    assert not is_explained(ignored, with_keys=True)


def test_every_explanation_has_a_reason_of_its_own() -> None:
    reasons = [one.why for one in EXPLAINED]
    assert all(reasons)
    assert len(set(reasons)) == len(reasons)
