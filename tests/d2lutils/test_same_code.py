"""Tests that functions in chapters behave like their versions in d2lutils.

Cells with the tag same-code define such functions. We compare both versions on small
data, with the checks in BEHAVIOR.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from booktools import FRAMEWORKS
from booktools.source.book import Book
from booktools.source.sections import Cell, Section
from frameworks import BackendKit

ROOT = Path(__file__).parents[2]
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Definition:
    """A function or class in a cell. `same` says whether the cell is tagged."""

    name: str
    node: ast.AST
    section: Section
    place: str
    same: bool


@functools.cache
def sections() -> list[Section]:
    return [page.section for page in Book(ROOT).sections]


def code_cells(section: Section, backend: BackendKit) -> list[Cell]:
    tags = [each.tag for each in FRAMEWORKS.values() if each.module == backend.name]
    return section.code_cells(tags[0])


def statements(
    section: Section, backend: BackendKit
) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the statements in a framework's cells, and whether the cell is tagged."""
    for cell in code_cells(section, backend):
        tree = ast.parse(cell.source)
        ast.increment_lineno(tree, cell.line - 1)
        for node in tree.body:
            yield node, "same-code" in cell.tags


def definitions(backend: BackendKit) -> list[Definition]:
    return [
        Definition(node.name, node, section, f"{section.path}:{node.lineno}", same)
        for section in sections()
        for node, same in statements(section, backend)
        if isinstance(node, DEFINITIONS)
    ]


def chapter(section: Section, backend: BackendKit) -> ModuleType:
    """Run only the imports and definitions of a section."""
    kept = (*DEFINITIONS, ast.Import, ast.ImportFrom)
    body = [node for node, _ in statements(section, backend) if isinstance(node, kept)]
    module = ModuleType(section.name)
    exec(compile(ast.Module(body, []), str(section.path), "exec"), module.__dict__)
    return module


# Checks


def start(backend: BackendKit) -> list[Any]:
    """Return parameters of a softmax regression, the same at every call."""
    rng = np.random.default_rng(1)
    return backend.parameters(rng.normal(0, 0.01, (784, 10)), rng.normal(0, 0.01, 10))


def updater(backend: BackendKit, module: Any, params: list[Any]) -> Any:
    """Return the gradient descent of d2lutils or of a chapter."""
    return backend.own_updater(params, 0.1, module)


def values(backend: BackendKit, tensors: Any) -> list[np.ndarray]:
    return [backend.numpy(tensor) for tensor in tensors]


def assert_near(a: Any, b: Any, tolerance: float = 1e-6) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def labels_agree(backend: BackendKit, ours: Any) -> None:
    for labels in (range(10), backend.tensor([9, 0, 4], backend.label_dtype)):
        expected = backend.d2l.get_fashion_mnist_labels(labels)
        assert ours.get_fashion_mnist_labels(labels) == expected


def read(backend: BackendKit, data_iter: Any) -> tuple[np.ndarray, np.ndarray, list]:
    """Return all images and labels, and the shapes and dtypes of the batches."""
    batches = list(data_iter)
    assert len(data_iter) == len(batches)
    looks = [(tuple(X.shape), X.dtype, tuple(y.shape), y.dtype) for X, y in batches]
    X, y = (
        np.concatenate(values(backend, part)) for part in zip(*batches, strict=True)
    )
    return X.reshape(len(X), -1), y, looks


def loaders_agree(backend: BackendKit, ours: Any) -> None:
    for resize in (None, 14, 40):
        # Pillow rounds bytes to whole gray values twice, once along each axis.
        tolerance = 1e-6 if resize is None else 1.5 / 255
        own = ours.load_data_fashion_mnist(32, resize=resize)
        module = backend.d2l.load_data_fashion_mnist(32, resize=resize)
        for i, shuffled in enumerate((True, False)):
            X, y, looks = read(backend, own[i])
            X_module, y_module, looks_module = read(backend, module[i])
            order = np.arange(len(y))
            if shuffled:
                assert not np.array_equal(y, read(backend, own[i])[1])
                order = nearest(X, X_module)
                assert sorted(order) == list(range(len(y)))
            assert looks == looks_module
            assert_near((X, y), (X_module[order], y_module[order]), tolerance)


def nearest(X: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the index of the nearest row in ``others`` for each row of ``X``."""
    return ((X[:, None] - others) ** 2).sum(axis=2).argmin(axis=1)


def counts_agree(backend: BackendKit, ours: Any) -> None:
    rng = np.random.default_rng(2)
    labels = backend.tensor(rng.integers(0, 10, 300), backend.label_dtype)
    scores = rng.normal(size=(300, 10)).round(1)  # with some ties
    for predicted in (scores, rng.integers(0, 10, 300)):
        y_hat = backend.tensor(predicted)
        found = ours.accuracy(y_hat, labels)
        assert isinstance(found, float)
        assert found == backend.d2l.accuracy(y_hat, labels)
        assert found >= 1


def sums_agree(backend: BackendKit, ours: Any) -> None:
    found = []
    for module in (ours, backend.d2l):
        metric = module.Accumulator(2)
        metric.add(backend.tensor(1.5), 2)
        metric.add(3, backend.tensor(True, bool))
        found.append([metric[0], metric[1]])
        metric.reset()
        metric.add(1, 2)
        found[-1] += [metric[0], metric[1]]
    assert found == [[4.5, 3, 1, 2]] * 2


def accuracies_agree(backend: BackendKit, ours: Any) -> None:
    net = backend.affine(*start(backend))
    _, test_iter = backend.d2l.load_data_fashion_mnist(8)
    found = ours.evaluate_accuracy(net, test_iter)
    assert found == pytest.approx(backend.d2l.evaluate_accuracy(net, test_iter))
    assert 0 < found < 1


def train_one_epoch(backend: BackendKit, ours: Any, module: Any) -> list[Any]:
    params = start(backend)
    scores = backend.affine(*params)
    backend.d2l.set_seed(0)
    train_iter, _ = backend.d2l.load_data_fashion_mnist(32)
    figures = module.train_epoch_ch3(
        lambda X: ours.softmax(scores(X)),
        train_iter,
        ours.cross_entropy,
        updater(backend, module, params),
    )
    return [*figures, *values(backend, params)]


def epochs_agree(backend: BackendKit, ours: Any) -> None:
    found = train_one_epoch(backend, ours, ours)
    assert_near(found, train_one_epoch(backend, ours, backend.d2l))
    assert not np.allclose(found[-2], values(backend, start(backend))[0]), (
        "nothing moved"
    )


def descend(backend: BackendKit, ours: Any, module: Any) -> list[np.ndarray]:
    """Return the parameters after one step with a module's gradient descent."""
    rng = np.random.default_rng(4)
    params = start(backend)
    scores = backend.affine(*params)
    backend.d2l.train_epoch_ch3(
        lambda X: ours.softmax(scores(X)),
        backend.batches((rng.random((37, 28, 28)), rng.integers(0, 10, 37))),
        ours.cross_entropy,
        updater(backend, module, params),
    )
    return values(backend, params)


def descents_agree(backend: BackendKit, ours: Any) -> None:
    found = descend(backend, ours, ours)
    assert_near(found, descend(backend, ours, backend.d2l), 1e-8)
    for moved, before in zip(found, values(backend, start(backend)), strict=True):
        assert not np.allclose(moved, before, rtol=0, atol=1e-3)


def train(backend: BackendKit, ours: Any, module: Any) -> list[Any]:
    params = start(backend)
    scores = backend.affine(*params)
    backend.d2l.set_seed(0)
    history = module.train_ch3(
        lambda X: ours.softmax(scores(X)),
        *backend.d2l.load_data_fashion_mnist(32),
        ours.cross_entropy,
        3,
        updater(backend, module, params),
    )
    figures = [history.train_loss, history.train_accuracy, history.test_accuracy]
    assert all(len(each) == 3 for each in figures)
    return [*figures, *values(backend, params)]


class Shown:
    """Stands in for the front end, and counts new and updated figures."""

    def __init__(self) -> None:
        self.new = self.updates = 0

    def __call__(self, figure: Figure, display_id: bool) -> Shown:
        assert display_id
        self.new += 1
        self.figure = figure
        return self

    def update(self, figure: Figure) -> None:
        self.updates += 1
        self.figure = figure


def drawn(figure: Figure) -> list[Any]:
    (axes,) = figure.axes
    assert axes.lines
    return [
        *[line.get_xydata() for line in axes.lines],
        [(line.get_color(), line.get_linestyle()) for line in axes.lines],
        [text.get_text() for text in axes.texts],
        np.array([text.get_position() for text in axes.texts]),
        (axes.get_xlabel(), axes.get_ylabel()),
        np.array([axes.get_xlim(), axes.get_ylim()]),
        figure.get_size_inches(),
    ]


def same_drawing(one: Figure, other: Figure) -> None:
    for a, b in zip(drawn(one), drawn(other), strict=True):
        assert a == pytest.approx(b) if isinstance(a, np.ndarray) else a == b


def trainings_agree(
    backend: BackendKit, ours: Any, capsys: pytest.CaptureFixture
) -> None:
    ours.display = shown = Shown()
    found = train(backend, ours, ours)
    printed = capsys.readouterr().out
    assert (shown.new, shown.updates) == (1, 2)
    closed = []  # figures are closed when training ends outside a notebook
    with pytest.MonkeyPatch.context() as patch:
        close = lambda animator: closed.append(animator.fig)  # noqa: E731
        patch.setattr("d2lutils.backend.Animator.close", close)
        assert_near(found, train(backend, ours, backend.d2l))
    same_drawing(shown.figure, closed[0])
    assert printed == capsys.readouterr().out
    assert printed.startswith("epoch 3: train loss")


def animators_agree(backend: BackendKit, ours: Any) -> None:
    ours.display = Shown()
    settings = {"xlabel": "epoch", "legend": ["loss", "accuracy"], "xlim": (1, 3)}
    one = ours.Animator(**settings)
    other = backend.d2l.Animator(**settings, figsize=(4.5, 3))
    for animator in (one, other):
        animator.add(1, (0.5, 0.75))
        animator.add(2, (0.25, 0.875))
    same_drawing(one.fig, other.fig)


def pictured() -> list[tuple[str, list]]:
    axes = plt.gcf().axes
    return [(ax.get_title(), ax.images[0].get_array().tolist()) for ax in axes]


def predictions_agree(backend: BackendKit, ours: Any) -> None:
    net = backend.affine(*start(backend))
    _, test_iter = backend.d2l.load_data_fashion_mnist(8)
    pictures = []
    for module in (ours, backend.d2l):
        for n in (6, 3):
            module.predict_ch3(net, test_iter, **({} if n == 6 else {"n": n}))
            pictures.append(pictured())
            assert len(pictures[-1]) == n
    assert pictures[:2] == pictures[2:]


BEHAVIOR = {
    "Accumulator": sums_agree,
    "Animator": animators_agree,
    "accuracy": counts_agree,
    "evaluate_accuracy": accuracies_agree,
    "get_fashion_mnist_labels": labels_agree,
    "load_data_fashion_mnist": loaders_agree,
    "predict_ch3": predictions_agree,
    "sgd": descents_agree,
    "train_ch3": trainings_agree,
    "train_epoch_ch3": epochs_agree,
}
"""Checks by function. Updater has none, because it only calls sgd."""


def holds(backend: BackendKit, name: str) -> bool:
    """Return whether d2lutils itself defines that name, other than as an alias."""
    found = getattr(backend.d2l, name, None)
    return (getattr(found, "__module__", None) or "").startswith("d2lutils")


def test_exactly_the_shared_functions_are_tagged(backend):
    """Shared functions are those that d2lutils defines too."""
    wrong = [
        f"{each.place}: {each.name} is tagged same-code, but d2lutils has none"
        if each.same
        else f"{each.place}: {each.name} is in d2lutils too; tag the cell same-code"
        for each in definitions(backend)
        if each.same != holds(backend, each.name)
    ]
    assert wrong == []


def test_every_tagged_cell_defines_something(backend):
    for section in sections():
        for cell in code_cells(section, backend):
            if "same-code" in cell.tags:
                body = ast.parse(cell.source).body
                place = f"{section.path}:{cell.line}"
                assert any(isinstance(each, DEFINITIONS) for each in body), place


def test_every_tagged_function_is_compared(backend):
    names = {each.name for each in definitions(backend) if each.same}
    assert names - {"Updater"} == BEHAVIOR.keys()


@pytest.mark.parametrize("name", BEHAVIOR)
def test_both_versions_give_the_same_results(backend, name, small_data, request):
    found = [each for each in definitions(backend) if each.same and each.name == name]
    agree = BEHAVIOR[name]
    wanted = list(inspect.signature(agree).parameters)[2:]
    for each in found:
        fixtures = {fixture: request.getfixturevalue(fixture) for fixture in wanted}
        ours = backend.adapt(chapter(each.section, backend))
        agree(backend, ours, **fixtures)
