"""The Python of the documentation that does without our client, run as it stands there."""

import re

import pytest
import requests
from service import ROOT, Service

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    block
    for block in BLOCK.findall((ROOT / "docs/formats.md").read_text())
    # clients/python/tests/test_docs.py runs the others.
    if "lossmeter" not in block.partition("\n")[0]
]
# The service of the page listens on the port of its own defaults.
ADDRESS = "127.0.0.1:8080"


PANDAS = BLOCK.findall((ROOT / "docs/runs.md").read_text())


def test_a_curve_is_read_by_pandas(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = PANDAS
    run = f"{service.url}/v1/runs/char-lm"
    items = [{"step": k, "numerator": 10.0 - k, "denominator": 4} for k in range(3)]
    requests.post(f"{run}/batches", json=items, timeout=10).raise_for_status()

    exec(compile(block.replace(ADDRESS, service.url[7:]), "docs/runs.md", "exec"), {})  # noqa: S102

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:4] == [["0", "2.50"], ["1", "2.25"], ["2", "2.00"]]


def test_there_are_blocks_for_three_clients() -> None:
    imports = [block.partition("\n")[0] for block in BLOCKS]
    for name in ("urllib.request", "requests", "tritonclient.http"):
        assert sum(name in line for line in imports) == 1, imports
    assert len(imports) == 3, imports


@pytest.mark.parametrize("block", BLOCKS)
def test_prints_numbers(
    block: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert block.count(ADDRESS) == 1
    here = block.replace(ADDRESS, f"{service.host}:{service.port}")

    exec(compile(here, "docs/formats.md", "exec"), {})  # noqa: S102

    # Logits are random: three rows of them have losses between these.
    numbers = [float(n) for n in capsys.readouterr().out.strip(" []\n").split()]
    assert len(numbers) in {1, 3}
    assert all(0 < number < 10 for number in numbers)
