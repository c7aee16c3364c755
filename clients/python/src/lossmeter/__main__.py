"""The command line: `python -m lossmeter ping | evaluate FILE… | watch RUN`."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from lossmeter import (
    Client,
    LossmeterError,
    NonFiniteLossError,
    StepEvent,
    __version__,
    wire_json,
)
from lossmeter.files import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lossmeter import Evaluation
    from lossmeter.schemas import Options, StepPoint

OK = 0
NON_FINITE = 1
FAILED = 2
"""Also what argparse exits with."""

MOST_NAMES = 8
"""Most names in the message about files that are named again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Arguments of the command; by default those of the process.

    Returns:
        0; 1 when a loss is not finite; 2 when the command failed.
    """
    given = _parser().parse_args(arguments)
    try:
        with Client(given.url, retries=given.retries) as client:
            code: int = given.command(client, given)
            return code
    except BrokenPipeError:
        # The reader closed the pipe; Python would print an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (LossmeterError, OSError, ValueError) as error:
        notes = "".join(f", {note}" for note in getattr(error, "__notes__", []))
        print(f"lossmeter: {error}{notes}", file=sys.stderr)
        return NON_FINITE if isinstance(error, NonFiniteLossError) else FAILED
    except KeyboardInterrupt:
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m lossmeter",
        description="Calls a Lossmeter service, with the key in LOSSMETER_API_KEY.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--url",
        help="address of the service; default: LOSSMETER_URL, or http://127.0.0.1:8080",
    )
    parser.add_argument("--retries", type=int, default=2, help="default: 2")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    ping = commands.add_parser("ping", help="check that the service answers")
    ping.set_defaults(command=_ping)

    evaluate = commands.add_parser(
        "evaluate",
        help="evaluate files, and all of them as one batch",
        epilog="The exit code is 1 when a loss is not finite.",
    )
    evaluate.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a safetensors or .npz file; counted once if given twice",
    )
    evaluate.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option that overrides that of the files; JSON or text",
    )
    evaluate.add_argument(
        "--tensor",
        action="append",
        default=[],
        metavar="FIELD=NAME",
        help="the name of the tensor for logits, label, input_mask or another field, "
        "if it is not the name of the field",
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(command=_evaluate)

    watch = commands.add_parser("watch", help="print the steps of a run as they change")
    watch.add_argument("run", metavar="RUN")
    watch.add_argument(
        "--new", action="store_true", help="leave out steps that are already recorded"
    )
    watch.add_argument(
        "--until",
        type=int,
        default=math.inf,
        metavar="STEP",
        help="end when this step, or a later one, is complete",
    )
    watch.set_defaults(command=_watch)
    return parser


def _ping(client: Client, _given: argparse.Namespace) -> int:
    client.info()
    started = time.perf_counter()
    info = client.info()
    milliseconds = (time.perf_counter() - started) * 1000
    print(
        f"{client.url}: {info['name']} {info['version']}, {info['kernel']} kernels on "
        f"{info['workers']} workers, {milliseconds:.1f} ms"
    )
    return OK


def _evaluate(client: Client, given: argparse.Namespace) -> int:
    options = _options(given.option)
    tensors = _tensors(given.tensor)
    files, evaluations = [], []
    for file in _distinct(given.files):
        evaluation = client.evaluate_file(file, tensors=tensors, **options)
        if not given.json:
            print(f"{file}: {evaluation}", flush=True)
        files.append({"file": file, **_fields(evaluation)})
        evaluations.append(evaluation)
    numerator = math.fsum(e.numerator for e in evaluations)
    denominator = math.fsum(e.denominator for e in evaluations)
    mean = numerator / denominator if denominator else math.nan
    if given.json:
        total = {"numerator": numerator, "denominator": denominator, "mean": mean}
        result = wire_json.with_text({"total": total, "files": files})
        print(json.dumps(result, indent=2, allow_nan=False))
    elif len(files) > 1:
        print(f"all {len(files)}: Σ numerators / Σ denominators = {mean:.6g}")
    return OK if all(e.is_finite for e in evaluations) else NON_FINITE


def _distinct(files: list[str]) -> list[str]:
    """Files without repetitions; prints a note for each file that is given twice."""
    names: dict[str, str] = {}
    again: list[str] = []
    for file in files:
        place = os.path.realpath(file)
        if place in names:
            first = names[place]
            again.append(
                file if first == file else f"{file} (the same file as {first})"
            )
        else:
            names[place] = file
    if again:
        shown = again[:MOST_NAMES]
        if len(again) > MOST_NAMES:
            shown.append(f"and {len(again) - MOST_NAMES} more")
        text = "these files are named more than once, but are counted once"
        print(f"{text}: {'; '.join(shown)}", file=sys.stderr)
    return [*names.values()]


def _options(settings: list[str]) -> Options:
    options: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--option {setting}, expected NAME=VALUE")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    if "outputs" in options:
        raise ValueError("outputs are tensors, which are not printed here")
    return cast("Options", options)


def _tensors(settings: list[str]) -> dict[str, str]:
    tensors: dict[str, str] = {}
    for setting in settings:
        field, _, name = setting.partition("=")
        if field not in FIELDS or not name:
            raise ValueError(
                f"--tensor {setting}, expected FIELD=NAME such as label=targets, FIELD "
                f"one of {', '.join(FIELDS)}"
            )
        tensors[field] = name
    return tensors


def _fields(evaluation: Evaluation) -> dict[str, object]:
    names = (field.name for field in fields(evaluation) if field.name != "outputs")
    return {name: getattr(evaluation, name) for name in names}


def _watch(client: Client, given: argparse.Namespace) -> int:
    code = OK
    with suppress(KeyboardInterrupt):
        for event in client.run(given.run).watch(after=None if given.new else 0):
            if not isinstance(event, StepEvent):
                continue
            step = event.step
            print(_line(step), flush=True)
            code = NON_FINITE if step["non_finite"] else code
            if step["complete"] and step["step"] >= given.until:
                break
    return code


def _line(step: StepPoint) -> str:
    notes = [
        "" if step["complete"] else f"{step['ranks']} ranks so far",
        "spike" if step["spike"] else "",
        step.get("summary", ""),
    ]
    noted = "; ".join(note for note in notes if note)
    line = f"{step['recorded_at']}  step {step['step']:>8}  loss {step['loss']:.6f}"
    return f"{line}  {noted}" if noted else line


if __name__ == "__main__":
    sys.exit(main())
