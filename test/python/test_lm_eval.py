"""Metrics of bytes, words and sequences are those of lm-evaluation-harness."""

import numpy as np
import pytest
import requests
from lm_eval.api import metrics as lm_eval
from reference import row_losses
from service import Service

LENGTHS = [7, 1, 20, 2]
TEXTS = [
    "The quick brown fox jumps.",
    "Ü",
    "Twenty tokens, and a café or two besides.",
    "so it is",
]
BYTES = [len(text.encode()) for text in TEXTS]
WORDS = [len(text.split()) for text in TEXTS]

RANDOM = np.random.default_rng(19)
LOGITS = 4 * RANDOM.normal(size=(sum(LENGTHS), 11))
LABEL = RANDOM.integers(0, 11, sum(LENGTHS))
LOGLIKELIHOODS = [
    -nll.sum()
    for nll in np.split(row_losses(LOGITS, LABEL), np.cumsum(LENGTHS)[:-1])
]
"""What a model answers to `loglikelihood_rolling`, a number for each text."""

METRICS = {
    "bits_per_byte": lm_eval.bits_per_byte(zip(LOGLIKELIHOODS, BYTES, strict=True)),
    "byte_perplexity": lm_eval.weighted_perplexity(
        zip(LOGLIKELIHOODS, BYTES, strict=True)
    ),
    "word_perplexity": lm_eval.weighted_perplexity(
        zip(LOGLIKELIHOODS, WORDS, strict=True)
    ),
    "sequence_perplexity": lm_eval.mean(
        [
            lm_eval.weighted_perplexity([(loglikelihood, tokens)])
            for loglikelihood, tokens in zip(LOGLIKELIHOODS, LENGTHS, strict=True)
        ]
    ),
    "standard_error": lm_eval.mean_stderr(row_losses(LOGITS, LABEL).tolist()),
}


@pytest.mark.parametrize("totals", [False, True])
def test_metrics_are_those_of_lm_evaluation_harness(
    service: Service, totals: bool
) -> None:
    response = requests.post(
        f"{service.url}/v1/cross-entropy",
        json={
            "logits": {"dtype": "float64", "data": LOGITS.tolist()},
            "label": LABEL.tolist(),
            "segments": LENGTHS,
            "bytes": sum(BYTES) if totals else BYTES,
            "words": sum(WORDS) if totals else WORDS,
            "options": {"metrics": list(METRICS), "outputs": ["sequences"]},
        },
        timeout=10,
    )

    assert response.status_code == 200, response.text
    answer = response.json()
    for name, expected in METRICS.items():
        assert answer["metrics"][name] == pytest.approx(expected, rel=1e-12), name
    assert [each["numerator"] for each in answer["sequences"]] == pytest.approx(
        [-loglikelihood for loglikelihood in LOGLIKELIHOODS], rel=1e-12
    )
