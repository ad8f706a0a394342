"""Tests that the networks of the book compute the same in every framework.

We run cells of the notebooks and compare them with :mod:`reference` in float64. The
relative rounding error of float32 is ``U`` = 6e-8, and each tolerance follows from it.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import pytest

import reference
from d2lutils import fashion_mnist, minibatches
from networks import FOLDERS, Chapter, open_chapter

U = 2.0**-24
LR, BATCH_SIZE = 0.1, 256  # as in every section
# We train for two epochs on the first images. The last batch has 96 images, as in every
# section. test_golden.py covers training on all images.
NUM_IMAGES, NUM_TEST_IMAGES, NUM_EPOCHS = 1120, 1000, 2
SECTIONS = ("softmax-scratch", "softmax-concise", "mlp-scratch", "mlp-concise")
WIDTHS = {"softmax": (784, 10), "mlp": (784, 256, 10)}

# A score is a sum of 784 products. Each rounding error is at most U times a partial
# sum, and they add up like a random walk, to sqrt(784) U = 1.7e-6 of the largest score.
# With the 256 products of a second layer, it is 2.7e-6.
SCORES = 3e-6
# A loss is the difference of two numbers of the size of the largest score s, so its
# error is SCORES times s. MXNet on x86 uses log_softmax from oneDNN, whose logarithm is
# accurate only to 5e-6.
LOG_SOFTMAX = 5e-6
# A gradient is also a sum over the examples, with an error of sqrt(256) U = 1e-6 of its
# terms. The terms cancel, so with our parameters it is 5 to 10 times smaller than they.
GRADIENT = 1e-5
# Over ten steps, these errors add up. Later they would grow, because the MLP has kinks:
# weights diverge once a hidden unit is on in one run and off in the other.
COURSE, COURSE_WEIGHTS = 1e-5, 5e-5


@dataclass(frozen=True)
class Run:
    """The result of a training run."""

    train_loss: list[float]
    train_accuracy: list[float]
    test_accuracy: float
    params: list[np.ndarray]


def kind(section: str) -> str:
    return section.split("-")[0]


def initial(name: str) -> list[np.ndarray]:
    """Draw initial parameters as in the sections: N(0, 0.01^2), biases 0."""
    rng = np.random.default_rng(0)
    params = []
    for d_in, d_out in itertools.pairwise(WIDTHS[name]):
        params += [rng.normal(0, 0.01, (d_in, d_out)), np.zeros(d_out)]
    return [p.astype(np.float32) for p in params]


def in_float64(params: list[np.ndarray]) -> list[np.ndarray]:
    return [p.astype(np.float64) for p in params]


def arrays(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return X, y


@functools.cache
def reference_run(name: str) -> Run:
    minibatches.seed_shuffling(42)
    data = fashion_mnist.load()
    train, test = (
        minibatches.Minibatches(images[:n], labels[:n], BATCH_SIZE, shuffle, arrays)
        for images, labels, n, shuffle in (
            (data.train_images, data.train_labels, NUM_IMAGES, True),
            (data.test_images, data.test_labels, NUM_TEST_IMAGES, False),
        )
    )
    params = in_float64(initial(name))
    figures = [reference.train_epoch(train, params, LR) for _ in range(NUM_EPOCHS)]
    return Run(
        *map(list, zip(*figures, strict=True)), reference.accuracy(test, params), params
    )


@pytest.fixture(params=FOLDERS)
def framework(request) -> str:
    return request.param


@pytest.fixture(params=SECTIONS)
def section(request) -> str:
    return request.param


@pytest.fixture
def params(section: str) -> list[np.ndarray]:
    """Return trained parameters, whose biases aren't 0, as float32."""
    return [p.astype(np.float32) for p in reference_run(kind(section)).params]


@pytest.fixture
def chapter(framework: str, section: str, params) -> Chapter:
    chapter = open_chapter(framework, section)
    chapter.set_values(params)
    return chapter


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


def assert_near(found, expected, tolerance: float, more: float = 0) -> None:
    """Compare arrays, with a tolerance relative to the largest expected entry."""
    allowed = tolerance * np.abs(expected).max() + more
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)


# -- one batch -----------------------------------------------------------------


def test_scores_are_equal(chapter, params):
    X, _ = examples(BATCH_SIZE, params)
    scores = reference.forward(X, in_float64(params))[1]
    if chapter.gives_probabilities:
        # The exponential turns the absolute error of a score into a relative one.
        expected = np.exp(reference.log_softmax(scores))
        error = SCORES * np.abs(scores).max()
        np.testing.assert_allclose(chapter.outputs(X), expected, rtol=error)
    else:
        assert_near(chapter.outputs(X), scores, SCORES)


def assert_steps(found, before, *batches) -> None:
    """Check the parameters after one step on each batch."""
    expected = in_float64(before)
    for X, y in batches:
        reference.step(X, y, expected, LR)
    for new, wanted, old in zip(found, expected, before, strict=True):
        # A step is as accurate as its gradient. Rounding each new parameter adds to it.
        rounding = len(batches) * U * np.abs(wanted).max()
        assert_near(new - old.astype(np.float64), wanted - old, GRADIENT, rounding)


def test_a_step_is_equal(chapter, params):
    X, y = examples(BATCH_SIZE, params)
    loss, rate = chapter.train(chapter.backend.batches((X, y)))
    scores = reference.forward(X, in_float64(params))[1]
    # In the worst case, the errors of the losses don't average out.
    expected = reference.losses(scores, y).mean()
    assert loss == pytest.approx(expected, abs=LOG_SOFTMAX)
    assert rate == np.mean(scores.argmax(axis=1) == y)
    assert_steps(chapter.values(), params, (X, y))


def test_five_steps_are_equal(chapter, params):
    """Several steps keep graphs and gradients of earlier batches apart.

    The last batch is smaller. All are small, because in a later batch a hidden unit
    could be at its kink. With 69 images, the chance is one in a few hundred.
    """
    X, y = examples(69, params)
    parts = [slice(i, i + 16) for i in range(0, 69, 16)]
    batches = [(X[part], y[part]) for part in parts]
    chapter.train(chapter.backend.batches(*batches))
    assert_steps(chapter.values(), params, *batches)


# -- several epochs ----------------------------------------------------------------


def test_epochs_match_the_reference(framework, section):
    """They use the section's own batches, in the order given by its seed."""
    chapter = open_chapter(framework, section)
    train_iter, _ = chapter.train_iter.split(NUM_IMAGES)
    test_iter, _ = chapter.test_iter.split(NUM_TEST_IMAGES)
    chapter.set_values(initial(kind(section)))
    chapter.backend.d2l.set_seed(42)
    figures = [chapter.train(train_iter) for _ in range(NUM_EPOCHS)]
    expected = reference_run(kind(section))
    losses, rates = zip(*figures, strict=True)
    np.testing.assert_allclose(losses, expected.train_loss, rtol=0, atol=COURSE)
    # If the best two scores of an image are nearly equal, its prediction may differ.
    np.testing.assert_allclose(rates, expected.train_accuracy, rtol=0, atol=2e-3)
    rate = chapter.backend.d2l.evaluate_accuracy(chapter.net, test_iter)
    assert rate == pytest.approx(expected.test_accuracy, abs=2e-3)
    for a, b in zip(chapter.values(), expected.params, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=COURSE_WEIGHTS)
