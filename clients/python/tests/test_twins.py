"""Both clients have the same methods, and everything public is documented."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service import ROOT

import lossmeter
from lossmeter import Client, Evaluation, Run
from lossmeter.aio import AsyncClient, AsyncRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

TWINS: list[tuple[type, type]] = [(Client, AsyncClient), (Run, AsyncRun)]

METHODS = [
    pytest.param(getattr(one, name), getattr(twin, name), id=f"{one.__name__}.{name}")
    for one, twin in TWINS
    for name in vars(one)
    if inspect.isfunction(getattr(one, name)) and not name.startswith("_")
]

WITHOUT_WAITING = {"run", "watch", "events"}
"""A run asks nobody, and events are waited for one by one."""

SOURCES = sorted(Path(lossmeter.__file__).parent.glob("*.py"))


def public(of: type) -> set[str]:
    return {name for name in vars(of) if not name.startswith("_")}


def awaited(annotation: object) -> str:
    """Converts an annotation of the asynchronous client to the synchronous one."""
    return str(annotation).replace("Async", "")


@pytest.mark.parametrize(("one", "twin"), TWINS)
def test_twins_have_the_same_public_names(one: type, twin: type) -> None:
    assert public(one) == public(twin)


@pytest.mark.parametrize(("one", "twin"), METHODS)
def test_a_method_takes_and_returns_what_that_of_its_twin_does(
    one: object, twin: object
) -> None:
    assert callable(one)
    assert callable(twin)
    signature, other = inspect.signature(one), inspect.signature(twin)

    assert list(signature.parameters.values()) == list(other.parameters.values())
    assert str(signature.return_annotation) == awaited(other.return_annotation)


@pytest.mark.parametrize(("one", "twin"), METHODS)
def test_a_method_of_the_asynchronous_twin_is_awaited(
    one: object, twin: object
) -> None:
    name = getattr(one, "__name__", "")
    awaitable = inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin)

    assert awaitable or name in WITHOUT_WAITING


def test_clients_are_made_alike_but_for_connections_of_the_callers_own() -> None:
    one, twin = (
        inspect.signature(client).parameters for client in (Client, AsyncClient)
    )

    assert list(one)[:-1] == list(twin)[:-1]
    assert list(one.values())[:-1] == list(twin.values())[:-1]
    assert (list(one)[-1], list(twin)[-1]) == ("pool", "session")


def test_an_evaluation_has_the_fields_of_the_services_answer() -> None:
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    reply = document["components"]["schemas"]["Evaluation"]

    fields = {field.name for field in dataclasses.fields(Evaluation)}
    assert fields == set(reply["properties"])


def definitions(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Public functions and classes, and the public methods of these classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_everything_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())

    silent = [d.name for d in definitions(tree) if not ast.get_docstring(d)]

    assert ast.get_docstring(tree)
    assert silent == []


def test_everything_that_is_exported_is_there() -> None:
    assert all(hasattr(lossmeter, name) for name in lossmeter.__all__)
    assert sorted(lossmeter.__all__) == lossmeter.__all__
