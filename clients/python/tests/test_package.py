"""The package builds, is typed and clean, and its examples hold."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import subprocess
import sys
import tarfile
import venv
from email import message_from_bytes
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from service import ROOT

import lossmeter
from lossmeter.address import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service import Service

PROJECT = ROOT / "clients" / "python"

EXAMPLES = [
    str(ROOT / "examples" / name)
    for name in (
        "ddp_lm.py",
        "flax_lm.py",
        "huggingface_lm.py",
        "lightning_lm.py",
        "mindspore_lm.py",
        "plot_run.py",
        "train_char_lm.py",
        "vocab_parallel.py",
    )
]


def run(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """Runs a tool of this environment over the project."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    with ZipFile(build("wheel", folder)) as opened:
        yield opened


def build(target: str, folder: Path, source: Path = PROJECT) -> Path:
    """Builds the wheel or the archive of the sources."""
    built = run("hatchling", "build", "-t", target, "-d", str(folder), cwd=source)
    assert built.returncode == 0, built.stderr
    (path,) = folder.iterdir()
    return path


def test_the_wheel_holds_the_package_and_its_types_and_nothing_else(
    wheel: ZipFile,
) -> None:
    sources = PROJECT / "src"
    expected = {
        path.relative_to(sources).as_posix()
        for path in sources.glob("lossmeter/*")
        if path.suffix in {".py", ".typed"}
    }

    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert "lossmeter/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert names == expected


def test_the_wheel_says_what_it_is_and_takes(wheel: ZipFile) -> None:
    version = json.loads((ROOT / "package.json").read_text())["version"]

    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(wheel.read(name))

    assert metadata["Name"] == "lossmeter"
    assert metadata["Version"] == version == lossmeter.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    required = [n for n in metadata.get_all("Requires-Dist", []) if "extra" not in n]
    names = {name.partition(">")[0] for name in required}
    assert names == {"ml-dtypes", "msgpack", "numpy", "urllib3"}


def test_the_archive_of_the_sources_makes_the_same_wheel(
    wheel: ZipFile, tmp_path: Path
) -> None:
    """Releases, and pip without a wheel, build the wheel from this archive."""
    (tmp_path / "sources").mkdir()
    with tarfile.open(build("sdist", tmp_path / "sources")) as archive:
        # Releases of Python 3.11 before 3.11.4 have no filters.
        data_filter = getattr(tarfile, "data_filter", None)
        archive.extraction_filter = data_filter
        archive.extractall(tmp_path)  # noqa: S202
    (folder,) = tmp_path.glob("lossmeter-*")
    (tmp_path / "wheel").mkdir()

    with ZipFile(build("wheel", tmp_path / "wheel", folder)) as again:
        assert sorted(again.namelist()) == sorted(wheel.namelist())


def test_the_wheel_alone_evaluates_the_examples(
    wheel: ZipFile, service: Service, tmp_path: Path
) -> None:
    """Uses an environment with only the wheel and its dependencies."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")

    def ask(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env=os.environ | {"LOSSMETER_URL": service.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    ask("-m", "pip", "install", "--quiet", str(wheel.filename))
    readme = (PROJECT / "README.md").read_text()
    program = readme.partition("```python\n")[2].partition("```")[0]
    assert ask("-c", program).startswith("loss 6.9077")

    example = str(ROOT / "examples" / "char-lm.safetensors")
    assert "loss 1.33124 over 8113 of 8192 rows" in ask(
        "-m", "lossmeter", "evaluate", example
    )
    assert ask(str(ROOT / "examples" / "post.py")).startswith("loss 1.33123829")


def test_types_are_strict() -> None:
    done = run("mypy")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_style_is_the_one_that_is_agreed_on(command: list[str]) -> None:
    done = run("ruff", *command, "--config", "pyproject.toml", ".", *EXAMPLES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "lossmeter",
        "lossmeter.client",
        "lossmeter.mindformers",
        "lossmeter.monitor",
        "lossmeter.torch",
        "lossmeter.torch_divergence",
    ],
)
def test_examples_have_the_results_that_they_show(service: Service, name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner()
    output: list[str] = []

    for test in doctest.DocTestFinder().find(module):
        for example in test.examples:
            example.source = example.source.replace(DEFAULT_URL, service.url)
        runner.run(test, out=output.append)

    assert runner.tries > 0
    assert runner.failures == 0, "".join(output)


def test_it_takes_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    """The import works without PyTorch, JAX, MindSpore, aiohttp and tqdm."""
    program = """
import sys
sys.modules |= dict.fromkeys(["torch", "jax", "mindspore", "aiohttp", "tqdm"])
import lossmeter, lossmeter.mindformers, lossmeter.__main__
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_asynchronous_twin_says_what_it_takes() -> None:
    program = "import sys; sys.modules['aiohttp'] = None; import lossmeter.aio"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "pip install 'lossmeter[async]'" in done.stderr
