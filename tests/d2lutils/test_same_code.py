"""Tests that functions in chapters behave like their versions in d2lutils.

Cells with the tag same-code define such functions. We compare both versions on small
data, with the checks in BEHAVIOR.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from booktools import FRAMEWORKS
from booktools.source.sections import Cell, Section
from frameworks import BackendKit
from small_book import real_book

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def sections() -> list[Section]:
    return [page.section for page in real_book().sections]


def code_cells(section: Section, backend: BackendKit) -> list[Cell]:
    (tag,) = (each.tag for each in FRAMEWORKS.values() if each.module == backend.name)
    return section.code_cells(tag)


def defined(cell: Cell) -> list[str]:
    body = ast.parse(cell.source).body
    return [node.name for node in body if isinstance(node, DEFINITIONS)]


def chapter(section: Section, backend: BackendKit) -> BackendKit:
    """Return the kit of a section, after its imports and definitions have run."""
    kept = (*DEFINITIONS, ast.Import, ast.ImportFrom)
    module = ModuleType(section.name)
    for cell in code_cells(section, backend):
        body = [x for x in ast.parse(cell.source).body if isinstance(x, kept)]
        code = compile(ast.Module(body, []), f"{section.path}:{cell.line}", "exec")
        exec(code, vars(module))
    kit = copy.copy(backend)
    kit.module, kit.d2l = module, backend.adapt(module)
    return kit


# Checks


def start(backend: BackendKit) -> list[Any]:
    """Return parameters of a softmax regression, the same at every call."""
    rng = np.random.default_rng(1)
    return backend.parameters(rng.normal(0, 0.01, (784, 10)), rng.normal(0, 0.01, 10))


def assert_near(a: Any, b: Any, tolerance: float = 1e-6) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def labels_agree(*kits: BackendKit) -> None:
    for labels in (range(10), kits[0].tensor([9, 0, 4], kits[0].label_dtype)):
        one, other = (kit.d2l.get_fashion_mnist_labels(labels) for kit in kits)
        assert one == other


def read(backend: BackendKit, data_iter: Any) -> tuple[np.ndarray, np.ndarray, list]:
    """Return all images and labels, and the shapes and dtypes of the batches."""
    batches = list(data_iter)
    assert len(data_iter) == len(batches)
    looks = [(tuple(X.shape), X.dtype, tuple(y.shape), y.dtype) for X, y in batches]
    X, y = (
        np.concatenate([*map(backend.numpy, part)])
        for part in zip(*batches, strict=True)
    )
    return X.reshape(len(X), -1), y, looks


def loaders_agree(*kits: BackendKit) -> None:
    for resize in (None, 14, 40):
        # Pillow rounds bytes to whole gray values twice, once along each axis.
        tolerance = 1e-6 if resize is None else 1.5 / 255
        both = [kit.d2l.load_data_fashion_mnist(32, resize=resize) for kit in kits]
        for shuffled, *loaders in zip((True, False), *both, strict=True):
            (X, y, looks), (X_module, y_module, looks_module) = map(read, kits, loaders)
            order = np.arange(len(y))
            if shuffled:
                assert not np.array_equal(y, read(kits[0], loaders[0])[1])
                # The row of X_module that is nearest to each row of X.
                order = ((X[:, None] - X_module) ** 2).sum(axis=2).argmin(axis=1)
                assert sorted(order) == list(range(len(y)))
            assert looks == looks_module
            assert_near((X, y), (X_module[order], y_module[order]), tolerance)


def counts_agree(*kits: BackendKit) -> None:
    rng, kit = np.random.default_rng(2), kits[0]
    labels = kit.tensor(rng.integers(0, 10, 300), kit.label_dtype)
    scores = rng.normal(size=(300, 10)).round(1)  # with some ties
    for predicted in (scores, rng.integers(0, 10, 300)):
        y_hat = kit.tensor(predicted)
        one, other = (each.d2l.accuracy(y_hat, labels) for each in kits)
        assert isinstance(one, float)
        assert one == other >= 1


def sums_agree(*kits: BackendKit) -> None:
    for kit in kits:
        metric = kit.d2l.Accumulator(2)
        metric.add(kit.tensor(1.5), 2)
        metric.add(3, kit.tensor(True, bool))
        assert [metric[0], metric[1]] == [4.5, 3]
        metric.reset()
        metric.add(1, 2)
        assert [metric[0], metric[1]] == [1, 2]


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


def trainings_agree(own: BackendKit, backend: BackendKit) -> None:
    """Train with each version of everything that ``train_ch3`` calls."""
    shown: list[Figure] = []  # by the section: first a new figure, then updates of it

    class Display:
        def __init__(self, figure: Figure, display_id: bool) -> None:
            assert display_id
            assert not shown
            self.update(figure)

        def update(self, figure: Figure) -> None:
            shown.append(figure)

    own.module.display = Display
    closed: list[Figure] = []  # by d2lutils, when training ends outside a notebook
    found, printed = [], []
    for kit in (own, backend):
        params, text = start(backend), io.StringIO()
        scores = backend.affine(*params)
        net = lambda X, scores=scores: own.d2l.softmax(scores(X))  # noqa: E731
        backend.d2l.set_seed(0)
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
            close = lambda animator: closed.append(animator.fig)  # noqa: E731
            patch.setattr("d2lutils.backend.Animator.close", close)
            history = kit.d2l.train_ch3(
                net,
                *backend.d2l.load_data_fashion_mnist(32),
                own.d2l.cross_entropy,
                3,
                kit.own_updater(params, 0.1),
            )
        curves = history.train_loss, history.train_accuracy, history.test_accuracy
        assert [*map(len, curves)] == [3] * 3
        found.append([*curves, *map(backend.numpy, params)])
        printed.append(text.getvalue())
    assert_near(*found)
    for moved, before in zip(
        found[0][3:], map(backend.numpy, start(backend)), strict=True
    ):
        assert not np.allclose(moved, before, rtol=0, atol=1e-3)
    assert printed[0] == printed[1]
    assert printed[0].startswith("epoch 3: train loss")
    assert len(shown) == 3
    for a, b in zip(drawn(shown[-1]), drawn(closed[0]), strict=True):
        assert a == pytest.approx(b) if isinstance(a, np.ndarray) else a == b


def predictions_agree(*kits: BackendKit) -> None:
    net = kits[1].affine(*start(kits[1]))
    _, test_iter = kits[1].d2l.load_data_fashion_mnist(8)
    for options, n in (({}, 6), ({"n": 3}, 3)):
        pictures = []
        for kit in kits:
            kit.d2l.predict_ch3(net, test_iter, **options)
            axes = plt.gcf().axes
            pictures.append(
                [(ax.get_title(), ax.images[0].get_array().tolist()) for ax in axes]
            )
        assert len(pictures[0]) == n
        assert pictures[0] == pictures[1]


BEHAVIOR = {
    "Accumulator": sums_agree,
    "accuracy": counts_agree,
    "get_fashion_mnist_labels": labels_agree,
    "load_data_fashion_mnist": loaders_agree,
    "predict_ch3": predictions_agree,
    "train_ch3": trainings_agree,
}
USED_BY_TRAINING = {
    "Animator",
    "Updater",
    "evaluate_accuracy",
    "sgd",
    "train_epoch_ch3",
}


def holds(backend: BackendKit, name: str) -> bool:
    """Return whether d2lutils itself defines that name, other than as an alias."""
    found = getattr(backend.module, name, None)
    return (getattr(found, "__module__", None) or "").startswith("d2lutils")


def test_exactly_the_shared_functions_are_tagged_and_compared(backend):
    """Shared functions are those that d2lutils defines too."""
    wrong, compared = [], set()
    for section in sections():
        for cell in code_cells(section, backend):
            same, names = "same-code" in cell.tags, defined(cell)
            place = f"{section.path}:{cell.line}"
            wrong += [
                f"{place}: {name} is tagged same-code, but d2lutils has none"
                if same
                else f"{place}: {name} is in d2lutils too; tag the cell same-code"
                for name in names
                if same != holds(backend, name)
            ]
            if same:
                compared |= set(names)
                wrong += [] if names else [f"{place}: same-code, but defines nothing"]
    assert wrong == []
    assert compared - USED_BY_TRAINING == BEHAVIOR.keys()


@pytest.mark.parametrize("name", BEHAVIOR)
def test_both_versions_give_the_same_results(backend, name, small_data):
    for section in sections():
        cells = code_cells(section, backend)
        if any(name in defined(cell) for cell in cells if "same-code" in cell.tags):
            BEHAVIOR[name](chapter(section, backend), backend)
