"""The code of the documentation, executed unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from service import Service

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = (
    "README.md",
    "clients/python/README.md",
    "docs/getting-started.md",
    "docs/python.md",
    "docs/compare.md",
    "docs/sequences.md",
    "docs/trainers.md",
)
WHOLE = ("docs/python.md", "docs/trainers.md")
BLOCKS = [
    block
    for file in FILES
    for block in BLOCK.findall((ROOT / file).read_text())
    # The root's README has blocks for other clients too.
    if "lossmeter" in block.partition("\n")[0] or file in WHOLE
    # MindSpore has its own environment and tests.
    if "import mindspore" not in block
]

# A comment after a line has its output; "…" stands for parts that vary between runs.
# A call may end on a separate line.
PRINTED = re.compile(r"^(?: *print\(.*)?\)  # (.*)$", re.MULTILINE)


# Trainers warn about the machine.
@pytest.mark.filterwarnings("ignore::Warning:(torch|lightning|transformers|accelerate)")
def test_prints_what_it_says(
    service: Service,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert service.url
    assert len(BLOCKS) >= 10
    assert sum(len(PRINTED.findall(block)) for block in BLOCKS) >= 10
    monkeypatch.chdir(ROOT)
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"block {number}", "exec"), {})  # noqa: S102
        printed = capsys.readouterr().out
        for said in PRINTED.findall(block):
            pattern = r"\d*".join(re.escape(part) for part in said.split("…"))
            assert re.search(pattern, printed), f"{said!r} is not in\n{printed}"
