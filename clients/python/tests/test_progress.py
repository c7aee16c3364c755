"""A progress bar is shown for slow operations only."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from batches import CONFIDENT_LABEL, CONFIDENT_LOGITS, large_logits
from relay import CutUpload, Pause, Relay

from lossmeter import Client, UnreachableError, progress
from lossmeter.body import CHUNK_BYTES, Body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service import Service


class Terminal(io.StringIO):
    """A terminal that keeps its output."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows a bar after a tenth of the usual time, for faster tests."""
    monkeypatch.setattr(progress, "AFTER_SECONDS", 0.1)


def upload_slowly(service: Service, show: bool | None, seconds: float = 0.3) -> None:
    logits = large_logits(16)
    with (
        Relay(service, Pause(after=2**20, seconds=seconds)) as relay,
        Client(relay.url, progress=show) as client,
    ):
        client.cross_entropy(logits, np.zeros(len(logits), int))


def test_an_upload_of_more_than_a_second_has_a_bar(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    upload_slowly(service, show=True, seconds=1.3)

    shown = capsys.readouterr().err
    assert "lossmeter:" in shown
    assert "100%" in shown
    assert "16.8M/16.8M" in shown
    assert shown.endswith("\n")


def test_a_quick_upload_has_none(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    logits = large_logits(4)
    with Client(service.url, progress=True) as client:
        client.cross_entropy(logits, np.zeros(len(logits), int))
        client.info()

    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("show", [False, None])
def test_where_none_is_wanted_or_there_is_no_terminal_there_is_none(
    service: Service, capsys: pytest.CaptureFixture[str], show: bool | None
) -> None:
    upload_slowly(service, show)

    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("soon")
def test_on_a_terminal_a_bar_is_shown_unasked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    upload_slowly(service, show=None)

    assert "16.8M/16.8M" in terminal.getvalue()


@pytest.mark.usefixtures("soon")
def test_without_tqdm_uploads_go_on_without_a_bar(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)

    upload_slowly(service, show=True)
    evaluate_two_files(service, tmp_path, show=True)

    assert capsys.readouterr().err == ""


def test_the_bar_of_an_upload_that_broke_off_is_closed_at_once(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "AFTER_SECONDS", 0)
    logits = large_logits(16)
    with (
        Relay(service, CutUpload(after=2**20)) as relay,
        Client(relay.url, progress=True, retries=0) as client,
        pytest.raises(UnreachableError) as raised,
    ):
        client.cross_entropy(logits, np.zeros(len(logits), int))

    # The error, which is still referenced, keeps the frames of its traceback.
    assert raised.value.__traceback__ is not None
    shown = capsys.readouterr().err
    assert "lossmeter:" in shown
    assert shown.endswith("\n")


def test_chunks_are_what_they_were_with_a_bar_or_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "AFTER_SECONDS", 0)
    body = Body("text/plain", [b"a" * 3 * CHUNK_BYTES])
    chunks = list(body.chunks())

    for show in (True, False, None):
        assert list(progress.track_upload(body, show)) == chunks


def evaluate_two_files(service: Service, folder: Path, show: bool | None) -> None:
    def paths() -> Iterator[Path]:
        for name in ("a.npz", "b.npz"):
            np.savez(folder / name, logits=CONFIDENT_LOGITS, label=CONFIDENT_LABEL)
            yield folder / name

    with Client(service.url, progress=show) as client:
        client.evaluate_files(paths())


def test_files_have_a_bar_of_how_many_are_done(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_two_files(service, tmp_path, show=True)

    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize("show", [False, None])
def test_files_have_no_bar_where_none_is_wanted_or_there_is_no_terminal(
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    show: bool | None,
) -> None:
    evaluate_two_files(service, tmp_path, show)

    assert capsys.readouterr().err == ""
