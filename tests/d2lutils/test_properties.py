"""Tests of the loaders in every framework, some with data drawn by hypothesis."""

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from d2lutils import fashion_mnist, minibatches
from frameworks import MODULES, BackendKit, open_backend

# The frameworks warm up within the first example, and the machine may be busy.
relaxed = settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow]
)


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


def epoch(backend: BackendKit, batches) -> list[list[int]]:
    """Return the numbers of the images in each batch, and check their labels."""
    found = []
    for X, y in batches:
        pixels = backend.numpy(X).reshape(len(y), -1)[:, :2] * 255
        numbers = np.rint(pixels).astype(int) @ [256, 1]
        np.testing.assert_array_equal(backend.numpy(y), numbers % 10)
        found.append(numbers.tolist())
    return found


def order(backend: BackendKit, batches) -> list[int]:
    return [*itertools.chain(*epoch(backend, batches))]


@relaxed
@given(
    n=st.integers(1, 300),
    batch_size=st.integers(1, 350),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_seed_orders_the_examples_of_every_epoch(n, batch_size, seed):
    """The order is the same in every framework and for every batch size."""
    orders = []
    for name in MODULES:
        try:
            backend = open_backend(name)
        except pytest.skip.Exception:
            continue
        load = backend.d2l.load_data_fashion_mnist
        with numbered_images(n):
            whole, _ = load(n)
            train_iter, test_iter = load(batch_size)
            backend.d2l.set_seed(seed)
            epochs = []
            for _ in range(2):  # nothing but a training epoch draws an order
                assert order(backend, test_iter) == list(range(n))
                load(batch_size)
                epochs.append(epoch(backend, train_iter))
        # Only the last batch may be smaller, and none is empty.
        full, rest = divmod(n, batch_size)
        sizes = [batch_size] * full + [rest] * bool(rest)
        assert [[*map(len, each)] for each in epochs] == [sizes] * 2
        assert len(train_iter) == len(test_iter) == len(sizes)
        first, second = ([*itertools.chain(*each)] for each in epochs)
        assert sorted(first) == sorted(second) == list(range(n))
        backend.d2l.set_seed(seed)
        assert [order(backend, whole) for _ in range(2)] == [first, second]
        backend.d2l.set_seed(seed ^ 1)
        if n >= 40:  # two orders are equal with a probability of 1/n!
            assert first != second
            assert order(backend, train_iter) != first
        orders.append((first, second))
    if not orders:
        pytest.skip("no framework is installed")
    assert orders == orders[:1] * len(orders)


@relaxed
@given(
    images=hnp.arrays(np.uint8, (5, 28, 28)),
    plain=st.integers(0, 255),
    side=st.integers(1, 70),
)
def test_resizing_keeps_the_range(images, plain, side):
    images[0] = plain  # a single gray value must stay the same
    settings = 5, False, lambda X, y: (X, y)
    [(X, y)] = minibatches.Minibatches(images, np.arange(5), *settings, resize=side)
    assert X.shape == (5, side, side)
    assert y.tolist() == list(range(5))
    # Pixels are weighted means, so they stay within the image's range, up to rounding.
    axes, gray = (1, 2), images / np.float32(255)
    assert (X.min(axis=axes) >= gray.min(axis=axes) - 1e-6).all()
    assert (X.max(axis=axes) <= gray.max(axis=axes) + 1e-6).all()
    assert 0 <= X.min() <= X.max() <= 1


@pytest.mark.parametrize("side", [None, 14, 96])
def test_batches_have_the_documented_shapes_and_types(
    backend: BackendKit, small_data, side
):
    train_iter, test_iter = backend.d2l.load_data_fashion_mnist(32, resize=side)
    image = [side or 28] * 2
    image.insert(backend.channel_axis - 1, 1)
    for X, y in [*train_iter, *test_iter]:
        X, y = backend.numpy(X), backend.numpy(y)
        assert X.shape == (len(y), *image)
        assert (X.dtype, y.dtype) == (np.float32, backend.label_dtype)
        assert 0 <= X.min() < X.max() <= 1


def test_batches_share_no_memory(backend: BackendKit, small_data):
    _, test_iter = backend.d2l.load_data_fashion_mnist(30)
    (X, _), (again, _) = *test_iter, *test_iter
    before = backend.numpy(X).copy()
    if backend.name in ("mxnet", "torch"):  # others have immutable tensors
        again[:] = 0
    np.testing.assert_array_equal(backend.numpy(X), before)


def test_a_split_divides_the_examples(backend: BackendKit):
    with numbered_images(70):
        whole, test = backend.d2l.load_data_fashion_mnist(16)
    first, others = whole.split(40)
    assert (first.num_examples, others.num_examples, len(first)) == (40, 30, 3)
    # Only the first part is shuffled in every epoch, and no part of the test set is.
    orders = [order(backend, first) for _ in range(2)]
    assert orders[0] != orders[1]
    assert [sorted(each) for each in orders] == [list(range(40))] * 2
    assert order(backend, others) == list(range(40, 70))
    assert [order(backend, part) for part in test.split(20)] == [
        list(range(20)),
        list(range(20, 70)),
    ]


def test_a_pickled_loader_continues(backend: BackendKit):
    """Spawned processes get loaders by pickling."""
    with numbered_images(70):
        loaders = backend.d2l.load_data_fashion_mnist(16)
    for loader, copy in zip(loaders, pickle.loads(pickle.dumps(loaders)), strict=True):
        backend.d2l.set_seed(1)
        expected = epoch(backend, loader)
        backend.d2l.set_seed(1)
        assert epoch(backend, copy) == expected


def test_threads_can_share_a_pass():
    met = Barrier(2)  # so both threads are in the middle of a batch

    def pair(X, y):
        met.wait(timeout=60)
        return y

    images, labels = np.zeros((6, 28, 28), np.uint8), np.arange(6)
    shared = iter(minibatches.Minibatches(images, labels, 1, False, pair))
    with ThreadPoolExecutor(2) as pool:
        parts = [*pool.map(lambda _: [*shared], range(2))]
    assert sorted(np.concatenate([*itertools.chain(*parts)])) == list(range(6))


def test_a_seed_repeats_weights_and_batches(backend: BackendKit, monkeypatch):
    """So does the framework's own seed, as long as ours has not been set."""
    monkeypatch.setattr(minibatches, "_shuffling", None)  # as in a fresh process
    with numbered_images(70):
        train_iter, _ = backend.d2l.load_data_fashion_mnist(16)
    own_seed, normal = {
        "mxnet": lambda: (
            backend.mxnet.random.seed,
            lambda: backend.mxnet.np.random.normal(size=5),
        ),
        "torch": lambda: (backend.torch.manual_seed, lambda: backend.torch.randn(5)),
        "tensorflow": lambda: (
            backend.tf.random.set_seed,
            lambda: backend.tf.random.normal((5,)),
        ),
        # JAX itself needs keys.
        "jax": lambda: (np.random.seed, lambda: np.random.normal(size=5)),
    }[backend.name]()
    for set_seed in (own_seed, backend.d2l.set_seed):

        def draw(seed, set_seed=set_seed):
            set_seed(seed)
            pairs = [(order(backend, train_iter), normal()) for _ in range(2)]
            return [[*first, *backend.numpy(second)] for first, second in pairs]

        drawn = draw(7)
        assert draw(7) == drawn
        assert len({tuple(each) for each in [*drawn, *draw(8)]}) == 4
