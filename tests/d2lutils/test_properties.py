"""Property tests of the loader and of accuracy, with data drawn by hypothesis.

All frameworks share the code that makes and counts batches, so we mostly test one
framework. One test checks that all of them get the same batches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from d2lutils import fashion_mnist
from frameworks import MODULES, BackendKit, open_backend

# The frameworks warm up within the first example, and the machine may be busy.
relaxed = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def backend() -> BackendKit:
    """Return the first framework that is installed."""
    for name in MODULES:
        with contextlib.suppress(pytest.skip.Exception):
            return open_backend(name)
    pytest.skip("no framework is installed")


@contextlib.contextmanager
def numbered_images(n: int) -> Iterator[None]:
    """Replace the data set by ``n`` numbered images.

    The first two pixels encode the number, and the label is the number modulo 10. The
    test images are the same, in the same order.
    """
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(n), 256)
    labels = (np.arange(n) % 10).astype(np.uint8)
    data = fashion_mnist.FashionMNIST(images, labels, images, labels)
    with mock.patch.object(fashion_mnist, "load", return_value=data):
        yield


def numbers(backend: BackendKit, X, y) -> list[int]:
    """Return the numbers of the images in a batch, and check their labels."""
    pixels = np.rint(backend.numpy(X).reshape(len(y), -1)[:, :2] * 255).astype(int)
    found = pixels @ [256, 1]
    np.testing.assert_array_equal(backend.numpy(y), found % 10)
    return found.tolist()


def epoch(backend: BackendKit, data_iter) -> list[list[int]]:
    """Return the numbers of the images in each batch of one pass."""
    return [numbers(backend, X, y) for X, y in data_iter]


def flat(batches: list[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


@relaxed
@given(n=st.integers(1, 600), batch_size=st.integers(1, 700), seed=SEEDS)
def test_an_epoch_contains_every_example_exactly_once(
    backend: BackendKit, n, batch_size, seed
):
    backend.d2l.set_seed(seed)
    with numbered_images(n):
        train_iter, test_iter = backend.d2l.load_data_fashion_mnist(batch_size)
    full, rest = divmod(n, batch_size)
    for data_iter in (train_iter, test_iter):
        batches = epoch(backend, data_iter)
        assert sorted(flat(batches)) == list(range(n))
        # Only the last batch may be smaller, and none is empty.
        assert [*map(len, batches)] == [batch_size] * full + [rest] * bool(rest)
        assert len(data_iter) == len(batches)
        if data_iter is test_iter:
            assert flat(batches) == list(range(n))


@relaxed
@given(n=st.integers(80, 200), batch_size=st.integers(20, 40), seed=SEEDS)
def test_each_epoch_shuffles_examples_not_batches(
    backend: BackendKit, n, batch_size, seed
):
    """No batch is a run of images from the file, or a batch of the previous epoch."""
    backend.d2l.set_seed(seed)
    with numbered_images(n):
        train_iter, test_iter = backend.d2l.load_data_fashion_mnist(batch_size)
    first, second = epoch(backend, train_iter), epoch(backend, train_iter)
    # Two orders of 80 examples are equal with probability 1/80!, and there are 3.5e18
    # ways to choose 20 of 80 examples.
    assert flat(first) != flat(second)
    whole = [frozenset(b) for b in (*first, *second) if len(b) == batch_size]
    assert len(set(whole)) == len(whole)
    assert all(max(batch) - min(batch) >= batch_size for batch in whole)
    # The first batch has images from both halves of the file.
    assert min(first[0]) < n / 2 <= max(first[0])
    assert flat(epoch(backend, test_iter)) == flat(epoch(backend, test_iter))


@relaxed
@given(n=st.integers(40, 200), batch_size=st.integers(1, 50), seed=SEEDS)
def test_only_a_training_epoch_draws_an_order(backend: BackendKit, n, batch_size, seed):
    """The test set, ``len`` and new loaders draw nothing."""
    with numbered_images(n):
        backend.d2l.set_seed(seed)
        train_iter, _ = backend.d2l.load_data_fashion_mnist(batch_size)
        expected = [epoch(backend, train_iter) for _ in range(2)]
        backend.d2l.set_seed(seed)
        train_iter, test_iter = backend.d2l.load_data_fashion_mnist(batch_size)
        found = []
        for _ in range(2):
            epoch(backend, test_iter)
            len(train_iter), len(test_iter)
            backend.d2l.load_data_fashion_mnist(batch_size)
            found.append(epoch(backend, train_iter))
    assert found == expected


@relaxed
@given(n=st.integers(40, 200), batch_size=st.integers(1, 50), seed=SEEDS)
def test_a_seed_gives_the_same_batches_in_every_framework(n, batch_size, seed):
    """The order doesn't depend on the batch size either."""
    found = {}
    for name in MODULES:
        try:
            backend = open_backend(name)
        except pytest.skip.Exception:
            continue
        backend.d2l.set_seed(seed)
        with numbered_images(n):
            train_iter, _ = backend.d2l.load_data_fashion_mnist(batch_size)
        found[name] = [epoch(backend, train_iter) for _ in range(2)]
        backend.d2l.set_seed(seed)
        assert [epoch(backend, train_iter) for _ in range(2)] == found[name]
        backend.d2l.set_seed(seed ^ 1)
        assert epoch(backend, train_iter) != found[name][0]
        with numbered_images(n):
            train_iter, _ = backend.d2l.load_data_fashion_mnist(n)
        backend.d2l.set_seed(seed)
        assert epoch(backend, train_iter) == [flat(found[name][0])]
    if not found:
        pytest.skip("no framework is installed")
    assert all(batches == next(iter(found.values())) for batches in found.values())


@relaxed
@given(
    images=hnp.arrays(np.uint8, (5, 28, 28)),
    labels=hnp.arrays(np.uint8, 5, elements=st.integers(0, 9)),
    plain=st.integers(0, 255),
    side=st.integers(1, 70),
)
def test_resizing_keeps_the_range_and_the_label(
    backend: BackendKit, images, labels, plain, side
):
    images[0] = plain  # a single gray value must stay the same
    data = fashion_mnist.FashionMNIST(images, labels, images, labels)
    with mock.patch.object(fashion_mnist, "load", return_value=data):
        _, test_iter = backend.d2l.load_data_fashion_mnist(5, resize=side)
        _, plain_iter = backend.d2l.load_data_fashion_mnist(5)
    [(X, y)], [(plain, _)] = test_iter, plain_iter
    X, plain = backend.numpy(X).reshape(5, -1), backend.numpy(plain).reshape(5, -1)
    np.testing.assert_array_equal(backend.numpy(y), labels)
    assert X.shape == (5, side * side)
    # Pixels are weighted means, so they stay within the image's range, up to rounding.
    low, high = plain.min(axis=1, keepdims=True), plain.max(axis=1, keepdims=True)
    assert (low - 1e-6 <= X).all()
    assert (high + 1e-6 >= X).all()
    assert X.min() >= 0
    assert X.max() <= 1


@st.composite
def scores_and_labels(draw) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores ``(n, classes)``, all different in a row, and labels ``(n,)``."""
    n, classes = draw(st.integers(1, 300)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(SEEDS))
    order = rng.permuted(np.tile(np.arange(classes), (n, 1)), axis=1)
    scale = draw(st.floats(2.0**-20, 2.0**20))
    return (order - classes / 2) * scale, rng.integers(0, classes, n)


@relaxed
@given(drawn=scores_and_labels(), batch_size=st.integers(1, 300))
def test_accuracy_counts_correct_predictions(backend: BackendKit, drawn, batch_size):
    """It doesn't depend on the batches."""
    scores, labels = drawn
    count = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        if row.index(max(row)) == label:
            count += 1
    y = backend.tensor(labels, backend.label_dtype)
    assert backend.d2l.accuracy(backend.tensor(scores), y) == count
    classes = scores.argmax(axis=1)
    for dtype in (backend.label_dtype, np.float32):
        assert backend.d2l.accuracy(backend.tensor(classes, dtype), y) == count
    batches = [
        (
            backend.tensor(scores[i : i + batch_size]),
            backend.tensor(labels[i : i + batch_size], backend.label_dtype),
        )
        for i in range(0, len(labels), batch_size)
    ]
    rate = backend.d2l.evaluate_accuracy(lambda X: X, batches)
    assert rate == count / len(labels)
