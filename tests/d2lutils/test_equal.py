"""The networks of the book compute the same in every framework.

Code under test are the cells of the notebooks and ``d2lutils``; the measure is
:mod:`reference` in float64. float32 rounds to a relative ``U`` = 6e-8; each
tolerance says what becomes of that.
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
LR, BATCH_SIZE, NUM_EPOCHS = 0.1, 256, 10  # as in every section
# The first of the training images, in batches of which the last has 96, as there. That
# all of them give what they gave is seen by test_golden.py.
NUM_IMAGES = 3168
LAST_BATCH = NUM_IMAGES % BATCH_SIZE
SECTIONS = ("softmax-scratch", "softmax-concise", "mlp-scratch", "mlp-concise")
WIDTHS = {"softmax": (784, 10), "mlp": (784, 256, 10)}

# A score is a sum of 784 products. Their rounding errors, each at most U of a
# partial sum, add up like a random walk: sqrt(784) U = 1.7e-6 of the largest score;
# 2.7e-6 with the 256 products of a second layer.
SCORES = 3e-6
# A loss is the difference of two numbers of the size of the largest score s, so that
# its error is SCORES s. MXNet on x86 has its log_softmax from oneDNN, whose logarithm
# is good to 5e-6 only.
LOG_SOFTMAX = 5e-6
# A gradient is one sum more, over the examples: sqrt(256) U = 1e-6. It cancels, and so
# is smaller than its terms, by a factor of 5 to 10 at the parameters used here.
GRADIENT = 1e-5
# The loss of softmax regression is smooth and convex: errors of a step do not grow.
# After ten epochs, losses differ by 1e-8, weights by 1e-6; oneDNN's logarithm, where
# it is used, adds 1e-6 to the losses.
SMOOTH, SMOOTH_ACCURACY, SMOOTH_WEIGHTS = 3e-6, 1e-4, 1e-5
# The MLP has kinks. Until a hidden unit of one run is on and that of the other is off,
# for one example, its errors do not grow either: 2e-8, with oneDNN 1e-6.
FIRST_EPOCH = 1e-5
# From then on, weights differ by up to 3e-2 in single entries, and losses by 3e-4 at
# most: that is the largest difference from float64 in twenty float32 runs, be it of
# a framework or of the reference with weights changed by 1e-7 at the start.
LATER_EPOCHS = 5e-4
# In the same runs up to 37 of 60,000 training images, and 14 of 10,000 test images,
# were classified otherwise.
TRAIN_ACCURACY, TEST_ACCURACY = 1e-3, 3e-3


@dataclass(frozen=True)
class Run:
    """What a training gave: figures of each epoch, and the end."""

    train_loss: list[float]
    train_accuracy: list[float]
    test_accuracy: float
    params: list[np.ndarray]


def kind(section: str) -> str:
    return section.split("-")[0]


def initial(name: str) -> list[np.ndarray]:
    """Initial parameters, drawn as in the sections: N(0, 0.01^2), biases 0."""
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
def reference_run(name: str, dtype: type = np.float64) -> Run:
    minibatches.seed_shuffling(42)
    data = fashion_mnist.load()
    train, test = (
        minibatches.Minibatches(images, labels, BATCH_SIZE, shuffle, arrays)
        for images, labels, shuffle in (
            (data.train_images[:NUM_IMAGES], data.train_labels[:NUM_IMAGES], True),
            (data.test_images, data.test_labels, False),
        )
    )
    params = [p.astype(dtype) for p in initial(name)]
    figures = [reference.train_epoch(train, params, LR) for _ in range(NUM_EPOCHS)]
    return Run(
        *map(list, zip(*figures, strict=True)), reference.accuracy(test, params), params
    )


@functools.cache
def book_run(framework: str, section: str) -> Run:
    chapter = open_chapter(framework, section)
    assert chapter.num_epochs == NUM_EPOCHS
    train_iter, _ = chapter.train_iter.split(NUM_IMAGES)
    chapter.set_values(initial(kind(section)))
    chapter.backend.d2l.set_seed(42)
    figures = [chapter.train(train_iter) for _ in range(NUM_EPOCHS)]
    rate = chapter.backend.d2l.evaluate_accuracy(chapter.net, chapter.test_iter)
    return Run(*map(list, zip(*figures, strict=True)), rate, chapter.values())


@pytest.fixture(params=FOLDERS)
def framework(request) -> str:
    return request.param


@pytest.fixture(params=SECTIONS)
def section(request) -> str:
    return request.param


@pytest.fixture
def params(section: str) -> list[np.ndarray]:
    """Parameters after a training, when no bias is 0 any more; as float32."""
    return [p.astype(np.float32) for p in reference_run(kind(section)).params]


@pytest.fixture
def chapter(framework: str, section: str, params) -> Chapter:
    """A section's network with these parameters."""
    chapter = open_chapter(framework, section)
    chapter.set_values(params)
    return chapter


def examples(n: int, params: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Images ``(n, 28, 28)`` in [0, 1] and labels ``(n,)`` of the training set.

    Those are left out that bring a hidden unit as near to the kink of its ReLU as
    rounding could carry it over, where the gradient jumps.
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
    """Compare, relative to the largest of the expected entries."""
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
    """Check parameters after a step on each of the batches."""
    expected = in_float64(before)
    for X, y in batches:
        reference.step(X, y, expected, LR)
    for new, wanted, old in zip(found, expected, before, strict=True):
        # A step is as good as its gradient; each new parameter is rounded once more.
        rounding = len(batches) * U * np.abs(wanted).max()
        assert_near(new - old.astype(np.float64), wanted - old, GRADIENT, rounding)


@pytest.mark.parametrize("n", [BATCH_SIZE, LAST_BATCH])
def test_a_step_is_equal(chapter, params, n):
    """Also on the last batch of an epoch, which is smaller."""
    X, y = examples(n, params)
    loss, rate = chapter.train(chapter.backend.batches((X, y)))
    scores = reference.forward(X, in_float64(params))[1]
    # The errors of n losses average out, or at worst do not.
    expected = reference.losses(scores, y).mean()
    assert loss == pytest.approx(expected, abs=LOG_SOFTMAX)
    assert rate == np.mean(scores.argmax(axis=1) == y)
    assert_steps(chapter.values(), params, (X, y))


def test_five_steps_are_equal(chapter, params):
    """What is kept from one batch to the next, as graphs and gradients, is right.

    Small batches, because a hidden unit of a later one might lie at its kink: with
    69 images the odds are one to a few hundred.
    """
    X, y = examples(69, params)
    parts = [slice(i, i + 16) for i in range(0, 69, 16)]
    batches = [(X[part], y[part]) for part in parts]
    chapter.train(chapter.backend.batches(*batches))
    assert_steps(chapter.values(), params, *batches)


# -- several epochs ----------------------------------------------------------------


def assert_same_course(found: Run, expected: Run, name: str) -> None:
    """Compare losses and accuracies of every epoch, and the end."""
    distance = np.abs(np.subtract(found.train_loss, expected.train_loss))
    smooth = name == "softmax"
    assert distance[0] <= (SMOOTH if smooth else FIRST_EPOCH)
    assert distance.max() <= (SMOOTH if smooth else LATER_EPOCHS)
    np.testing.assert_allclose(
        found.train_accuracy,
        expected.train_accuracy,
        rtol=0,
        atol=SMOOTH_ACCURACY if smooth else TRAIN_ACCURACY,
    )

    assert found.test_accuracy == pytest.approx(
        expected.test_accuracy, abs=SMOOTH_ACCURACY if smooth else TEST_ACCURACY
    )
    if smooth:
        for a, b in zip(found.params, expected.params, strict=True):
            assert_near(a, b, SMOOTH_WEIGHTS)


def test_epochs_run_the_same_course(framework, section):
    name = kind(section)
    assert_same_course(book_run(framework, section), reference_run(name), name)


@pytest.mark.parametrize("name", WIDTHS)
def test_the_reference_runs_the_same_course_in_float32(name):
    assert_same_course(reference_run(name, np.float32), reference_run(name), name)
