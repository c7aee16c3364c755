"""Typical names of runs, and names with characters that URLs must escape."""

NAMES = [
    "meta-llama/Llama-2-7b",
    "lr=1e-4,bs=32",
    "Grüße aus 東京 👩\u200d🔬",
    "100% of a?b#c d+e&f;g",
    "a%2Fb",
    "/a//b/",
    'it\'s "quoted" \\ `so`',
    "😀" * 256,
]
