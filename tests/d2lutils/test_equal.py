"""Tests that the networks of the book compute the same in every framework.

We run cells of the notebooks until training would begin, set other parameters, train
with the section's own network, loss and updater, and compare with :mod:`reference` in
float64. The relative rounding error of float32 is ``U`` = 6e-8, and each tolerance
follows from it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

import reference
from booktools import FRAMEWORKS
from d2lutils import fashion_mnist, minibatches
from frameworks import BackendKit

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FOLDERS = {each.module: each.tag for each in FRAMEWORKS.values()}
U = 2.0**-24
LR, BATCH_SIZE = 0.1, 256  # as in every section
# We train for two epochs on the first images. The last batch has 96 images, as in every
# section. test_golden.py covers training on all images.
NUM_IMAGES, NUM_TEST_IMAGES, NUM_EPOCHS = 1120, 1000, 2
SECTIONS = ("softmax-scratch", "softmax-concise", "mlp-scratch", "mlp-concise")
WIDTHS = {"softmax": (784, 10), "mlp": (784, 256, 10)}

# A score is a sum of 784 products. Each rounding error is at most U times a partial
# sum, and they add up like a random walk, to sqrt(784) U = 1.7e-6 of the largest score.
# A loss is the difference of two numbers of that size. MXNet on x86 uses log_softmax
# from oneDNN, whose logarithm is accurate only to 5e-6.
LOG_SOFTMAX = 5e-6
# A gradient is also a sum over the examples, with an error of sqrt(256) U = 1e-6 of its
# terms. The terms cancel, so with our parameters it is 5 to 10 times smaller than they.
GRADIENT = 1e-5
# Over ten steps, these errors add up. Later they would grow, because the MLP has kinks:
# weights diverge once a hidden unit is on in one run and off in the other.
COURSE, COURSE_WEIGHTS = 1e-5, 5e-5


class TrainingReached(Exception):
    """Raised when the cells call ``train_ch3``; holds its arguments."""


def _train_ch3(*arguments):
    raise TrainingReached(*arguments)


def run_cells(path: Path, d2l: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Run a notebook up to its first training run; return its names and arguments."""
    # As in a kernel. Classes can't be defined without it.
    names: dict[str, Any] = {"__name__": "__main__"}
    with mock.patch.object(d2l, "train_ch3", _train_ch3):
        for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type != "code":
                continue
            tags = cell.metadata.get("tags", [])
            expected = [Exception] if "raises-exception" in tags else []
            try:
                with contextlib.suppress(*expected):
                    exec(compile(cell.source, f"{path.name}, cell {i}", "exec"), names)
            except TrainingReached as reached:
                plt.close("all")
                return names, reached.args
            if "train_ch3" in names:  # the section defines its own
                names["train_ch3"] = _train_ch3
    raise AssertionError(f"{path} never calls train_ch3")


class Chapter:
    """A section's network in one framework, with parameters as :mod:`reference` has."""

    def __init__(self, backend: BackendKit, section: str) -> None:
        path = NOTEBOOKS / FOLDERS[backend.name] / f"{section}.ipynb"
        names, arguments = run_cells(path, backend.module)
        arguments = backend.training(*arguments)
        self.net, self.train_iter, self.test_iter, self.loss, _, self.updater = (
            arguments
        )
        own = SimpleNamespace(**names)
        module = backend.adapt(own) if "train_epoch_ch3" in names else backend.d2l
        self.train_epoch, self.backend = module.train_epoch_ch3, backend
        if section.endswith("-concise"):
            self.net(next(iter(self.test_iter))[0])  # some layers need a batch first
            self.tensors, self.turned = backend.tensors(self.net), backend.turned
        else:
            self.tensors = getattr(self.net, "cells", names["params"])
            self.turned = lambda values: values

    def set_values(self, params: list[np.ndarray]) -> None:
        for tensor, values in zip(self.tensors, params, strict=True):
            self.backend.assign(tensor, self.turned(values).astype(np.float32))

    def values(self) -> list[np.ndarray]:
        return [self.turned(self.backend.numpy(t)).copy() for t in self.tensors]

    def train(self, batches: Any) -> tuple[float, float]:
        return self.train_epoch(self.net, batches, self.loss, self.updater)


_chapters: dict[tuple[str, str], Chapter] = {}


@pytest.fixture(params=SECTIONS)
def section(request) -> str:
    return request.param


@pytest.fixture
def chapter(backend: BackendKit, section: str) -> Chapter:
    key = backend.name, section
    _chapters[key] = _chapters.get(key) or Chapter(backend, section)
    return _chapters[key]


def initial(name: str) -> list[np.ndarray]:
    """Draw initial parameters as in the sections: N(0, 0.01^2), biases 0."""
    rng = np.random.default_rng(0)
    params = []
    for d_in, d_out in itertools.pairwise(WIDTHS[name]):
        params += [rng.normal(0, 0.01, (d_in, d_out)), np.zeros(d_out)]
    return rounded(params)


def rounded(params: list[np.ndarray]) -> list[np.ndarray]:
    """Return a copy in float64 of what float32 can hold."""
    return [p.astype(np.float32).astype(np.float64) for p in params]


@functools.cache
def reference_run(name: str) -> tuple[list[np.ndarray], list[tuple[float, float]]]:
    """Train as the sections do; return parameters, and each epoch's loss and rate."""
    minibatches.seed_shuffling(42)
    data = fashion_mnist.load()
    images, labels = data.train_images[:NUM_IMAGES], data.train_labels[:NUM_IMAGES]
    pair = lambda X, y: (X, y)  # noqa: E731
    train = minibatches.Minibatches(images, labels, BATCH_SIZE, True, pair)
    params = initial(name)
    figures = [reference.train_epoch(train, params, LR) for _ in range(NUM_EPOCHS)]
    return params, figures


def examples(n: int, params: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return training images ``(n, 28, 28)`` in [0, 1] and labels ``(n,)``.

    We leave out images that bring a hidden unit close to the kink of its ReLU, because
    rounding could move it to the other side, where the gradient differs.
    """
    data = fashion_mnist.load()
    X = data.train_images[:1000] / np.float32(255)
    inputs = X.reshape(1000, -1).astype(np.float64)
    hidden = np.column_stack(
        [inputs @ W + b for W, b in reference.layers(params)[:-1]] or [np.ones(1000)]
    )
    rows = np.flatnonzero(np.abs(hidden).min(axis=1) > 1e-5)[:n]
    assert len(rows) == n
    return X[rows], data.train_labels[rows].astype(np.int64)


def test_five_steps_are_equal(chapter, section):
    """Several steps keep graphs and gradients of earlier batches apart.

    The last batch is smaller. All are small, because in a later batch a hidden unit
    could be at its kink. With 69 images, the chance is one in a few hundred.
    """
    # Trained parameters, whose biases aren't 0.
    before = rounded(reference_run(section.split("-")[0])[0])
    X, y = examples(69, before)
    batches = [(X[i : i + 16], y[i : i + 16]) for i in range(0, 69, 16)]
    chapter.set_values(before)
    figures = chapter.train(chapter.backend.batches(*batches))
    params = rounded(before)
    # In the worst case, the errors of the losses don't average out.
    expected = reference.train_epoch(batches, params, LR)
    assert figures == pytest.approx(expected, rel=0, abs=LOG_SOFTMAX)
    for new, wanted, old in zip(chapter.values(), params, before, strict=True):
        # A step is as accurate as its gradient. Rounding each new parameter adds to it.
        allowed = GRADIENT * np.abs(wanted - old).max()
        allowed += len(batches) * U * np.abs(wanted).max()
        np.testing.assert_allclose(new - old, wanted - old, rtol=0, atol=allowed)


def test_epochs_match_the_reference(chapter, section):
    """They use the section's own batches, in the order given by its seed."""
    name = section.split("-")[0]
    train_iter, _ = chapter.train_iter.split(NUM_IMAGES)
    test_iter, _ = chapter.test_iter.split(NUM_TEST_IMAGES)
    chapter.set_values(initial(name))
    chapter.backend.d2l.set_seed(42)
    figures = [chapter.train(train_iter) for _ in range(NUM_EPOCHS)]
    params, expected = reference_run(name)
    losses, rates = zip(*figures, strict=True)
    expected_losses, expected_rates = zip(*expected, strict=True)
    assert losses == pytest.approx(expected_losses, rel=0, abs=COURSE)
    # If the best two scores of an image are nearly equal, its prediction may differ.
    assert rates == pytest.approx(expected_rates, rel=0, abs=2e-3)
    data = fashion_mnist.load()
    scores = reference.forward(data.test_images[:NUM_TEST_IMAGES] / 255, params)[1]
    right = scores.argmax(axis=1) == data.test_labels[:NUM_TEST_IMAGES]
    rate = chapter.backend.d2l.evaluate_accuracy(chapter.net, test_iter)
    assert rate == pytest.approx(right.mean(), rel=0, abs=2e-3)
    for a, b in zip(chapter.values(), params, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=COURSE_WEIGHTS)


@pytest.mark.parametrize("widths", [[6, 4], [6, 5, 3, 4]], ids=len)
def test_gradients_of_the_reference_match_central_differences(widths):
    """Compare with (L(w + h) - L(w - h)) / 2h for every parameter."""
    rng = np.random.default_rng(0)
    params = []
    for d_in, d_out in itertools.pairwise(widths):
        params += [rng.normal(0, 0.7, (d_in, d_out)), rng.normal(0, 0.7, d_out)]
    X, y = rng.normal(size=(7, 2, 3)), rng.integers(0, 4, 7)
    # The truncation error is h^2 L'''/6, and the rounding error is u L / h with u =
    # 1.1e-16. With h near the cube root of u, about 1e-5, both are about 1e-11.
    h = 1e-5
    for param, gradient in zip(params, reference.gradients(X, y, params), strict=True):
        assert gradient.shape == param.shape
        for index in np.ndindex(param.shape):
            kept, losses = param[index], []
            for param[index] in (kept + h, kept - h):
                scores = reference.forward(X, params)[1]
                losses.append(reference.losses(scores, y).mean())
            param[index] = kept
            # No h steps over a kink of the ReLU. That would give an error of about 0.1.
            numeric = (losses[0] - losses[1]) / (2 * h)
            assert gradient[index] == pytest.approx(numeric, rel=0, abs=1e-9)
    for values in params[:-2]:  # by convention, the slope of the ReLU is 0 at 0
        values[:] = 0
    assert not any(each.any() for each in reference.gradients(X, y, params)[:-2])
