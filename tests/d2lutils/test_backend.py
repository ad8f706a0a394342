"""Tests of the library's functions in every framework, on small data."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_training import images_and_labels, softmax

from d2lutils import minibatches
from frameworks import BackendKit

# -- data ----------------------------------------------------------------------


@pytest.mark.parametrize("side", [None, 14, 28, 96])
def test_batches_have_the_documented_shapes_and_types(
    backend: BackendKit, small_data, side
):
    train_iter, test_iter = backend.d2l.load_data_fashion_mnist(32, resize=side)
    assert (len(train_iter), len(test_iter)) == (3, 1)
    sizes, image = [], [side or 28] * 2
    image.insert(backend.channel_axis - 1, 1)
    for X, y in [*train_iter, *test_iter]:
        X, y = backend.numpy(X), backend.numpy(y)
        assert X.shape == (len(y), *image)
        assert (X.dtype, y.dtype) == (np.float32, backend.label_dtype)
        assert 0 <= X.min() < X.max() <= 1
        sizes.append(len(y))
    assert sizes == [32, 32, 6, 30]
    if side == 28:  # images stay the same
        flat = backend.numpy(next(iter(test_iter))[0]).reshape(30, -1) * 255
        expected = small_data.test_images.reshape(30, -1)
        np.testing.assert_allclose(flat, expected, atol=1e-3)


def test_training_examples_are_reshuffled_every_epoch(backend: BackendKit, small_data):
    train_iter, _ = backend.d2l.load_data_fashion_mnist(70)
    (first, labels), (second, _) = next(iter(train_iter)), next(iter(train_iter))
    first, second = (backend.numpy(X).reshape(70, -1) for X in (first, second))
    assert not np.array_equal(first, second)
    # The same examples, each with its own label.
    rows = {
        image.tobytes(): label
        for image, label in zip(
            small_data.train_images.reshape(70, -1) / np.float32(255),
            small_data.train_labels,
            strict=True,
        )
    }
    assert [rows[image.tobytes()] for image in first] == list(backend.numpy(labels))
    assert {i.tobytes() for i in first} == {i.tobytes() for i in second} == set(rows)


def test_batches_share_no_memory(backend: BackendKit, small_data):
    _, test_iter = backend.d2l.load_data_fashion_mnist(30)
    (X, _), (again, _) = *test_iter, *test_iter
    before = backend.numpy(X).copy()
    if backend.name in ("mxnet", "torch"):  # others have immutable tensors
        again[:] = 0
    np.testing.assert_array_equal(backend.numpy(X), before)


@pytest.mark.parametrize("resize", [None, 32])
def test_a_split_divides_the_examples(backend: BackendKit, small_data, resize):
    whole, test = backend.d2l.load_data_fashion_mnist(16, resize)
    first, others = whole.split(40)
    assert (first.num_examples, others.num_examples, len(first)) == (40, 30, 3)

    def images(batches):
        X = np.concatenate([backend.numpy(X) for X, _ in batches])
        return X.reshape(len(X), -1)

    def as_a_set(rows):
        return np.unique(rows, axis=0)

    training, validation = images(first), images(others)
    both = np.concatenate([training, validation])
    np.testing.assert_array_equal(as_a_set(both), as_a_set(images(whole)))
    # Only the first part is shuffled in every epoch.
    assert not np.array_equal(training, images(first))
    np.testing.assert_array_equal(validation, images(others))
    np.testing.assert_array_equal(as_a_set(training), as_a_set(images(first)))
    # Parts of the test set aren't shuffled.
    parts = np.concatenate([images(part) for part in test.split(20)])
    np.testing.assert_array_equal(parts, images(test))


def test_a_pickled_loader_continues(backend: BackendKit, small_data):
    """Spawned processes get loaders by pickling."""
    loaders = backend.d2l.load_data_fashion_mnist(16, resize=14)
    for loader, copy in zip(loaders, pickle.loads(pickle.dumps(loaders)), strict=True):
        backend.d2l.set_seed(1)
        expected = [backend.numpy(part) for batch in loader for part in batch]
        backend.d2l.set_seed(1)
        found = [backend.numpy(part) for batch in copy for part in batch]
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_can_share_a_pass(backend: BackendKit, small_data):
    train_iter, _ = backend.d2l.load_data_fashion_mnist(1)
    with ThreadPoolExecutor(8) as pool:
        shared = iter(train_iter)
        parts = [*pool.map(lambda _: [*shared], range(8))]
    images = [backend.numpy(X).tobytes() for part in parts for X, _ in part]
    assert len(set(images)) == len(images) == 70


def test_labels_have_names(backend: BackendKit):
    names = backend.d2l.get_fashion_mnist_labels
    labels = backend.tensor([9, 0, 6], backend.label_dtype)
    assert names(labels) == ["ankle boot", "t-shirt", "shirt"]
    for label in (-1, 10, 2.5):
        with pytest.raises(ValueError, match=f"from 0 to 9, .* {label}$"):
            names([1, label])


# -- accuracy ------------------------------------------------------------------


def test_accuracy_counts_scores_and_classes(backend: BackendKit):
    scores = backend.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5], [0.9, 0.0, 0.1]])
    y = backend.tensor([2, 1, 0], backend.label_dtype)
    count = backend.d2l.accuracy(scores, y)
    assert isinstance(count, float)
    assert count == 2
    classes = backend.tensor([2, 1, 1], backend.label_dtype)
    assert backend.d2l.accuracy(classes, y) == 2
    assert backend.d2l.accuracy(backend.tensor([2.0, 2.0, 0.0]), y) == 2
    # More than eight bits can count.
    y = backend.tensor(np.zeros(1000), backend.label_dtype)
    assert backend.d2l.accuracy(backend.tensor(np.eye(10)[[0] * 1000]), y) == 1000


def test_accuracy_compares_one_column_in_the_type_of_the_targets(backend: BackendKit):
    y_hat = backend.tensor([[0.0], [1.5], [2.0]])
    for shape in [(3,), (3, 1)]:
        real = backend.tensor(np.reshape([0, 1, 2], shape))
        whole = backend.tensor(np.reshape([0, 1, 2], shape), backend.label_dtype)
        assert backend.d2l.accuracy(y_hat, real) == 2
        assert backend.d2l.accuracy(y_hat, whole) == 3  # 1.5 becomes 1


@pytest.mark.parametrize("shape", [(2, 10), (2,), (3, 1, 10)])
def test_accuracy_refuses_mismatched_shapes(backend: BackendKit, shape):
    y = backend.tensor([0, 1, 2], backend.label_dtype)
    with pytest.raises(ValueError, match=r"y_hat must hold .* has shape \("):
        backend.d2l.accuracy(backend.tensor(np.zeros(shape)), y)


def test_a_model_is_in_training_mode_only_while_training(backend: BackendKit):
    if backend.name != "torch":
        pytest.skip("only PyTorch keeps a mode in its modules")
    net, updater, _ = softmax(backend, "optimizer")
    modes = []
    net[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    batches, loss = backend.batches(images_and_labels(4)), backend.loss("none")
    for outer, inner in [(True, True), (True, False), (False, False)]:
        net.training, net[1].training = outer, inner
        backend.d2l.evaluate_accuracy(net, batches)
        assert (net.training, net[1].training) == (outer, inner)
    assert modes == [False] * 3
    net.train()
    with pytest.raises(ValueError, match=r"yielded no batch"):
        backend.d2l.evaluate_accuracy(net, [])
    assert net.training
    backend.d2l.train_epoch_ch3(net.eval(), batches, loss, updater)
    assert all(module.training for module in net.modules())
    backend.d2l.train_ch3(net, batches, batches, loss, 2, updater)
    assert not any(module.training for module in net.modules())


# -- training ------------------------------------------------------------------


def run_train_ch3(
    backend: BackendKit, train_iter, test_iter, num_epochs=2, lr=0.1, **options
):
    net, updater, _ = softmax(backend, lr=lr)
    arguments = net, train_iter, test_iter, backend.loss("none"), num_epochs, updater
    return backend.d2l.train_ch3(*arguments, **options)


def test_train_ch3_records_draws_and_prints(
    backend: BackendKit, small_data, capsys, monkeypatch
):
    # Outside a notebook, the figure is closed when training ends.
    monkeypatch.setattr("d2lutils.backend.Animator.close", lambda animator: None)
    iterators = backend.d2l.load_data_fashion_mnist(16)
    history = run_train_ch3(backend, *iterators, num_epochs=3, lr=1e-3)
    assert history.epochs == [1, 2, 3]
    curves = [history.train_loss, history.train_accuracy, history.test_accuracy]
    assert np.isfinite(curves).all()
    assert history.train_loss[0] > history.train_loss[-1]
    assert capsys.readouterr() == (f"{history}\n", "")
    axes = plt.gcf().axes[0]
    names = [text.get_text() for text in axes.texts]
    assert names == ["train loss", "train acc", "test acc"]
    assert [list(line.get_ydata()) for line in axes.lines] == curves
    # Curves differ even without color.
    assert len({line.get_linestyle() for line in axes.lines}) == 3


def test_train_ch3_trains_the_same_without_drawing(
    backend: BackendKit, small_data, capsys, monkeypatch
):
    def run(**options):
        backend.d2l.set_seed(3)
        iterators = backend.d2l.load_data_fashion_mnist(16)
        return run_train_ch3(backend, *iterators, **options)

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)  # terminals get a bar
    history = run(draw=False)
    assert capsys.readouterr() == ("", "")
    assert history == run()
    assert "epoch/s" in capsys.readouterr().err
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("seconds", "drawn"), [(0.04, [1, 8, 10]), (0.3, list(range(1, 11)))]
)
def test_every_epoch_is_drawn_but_not_too_often(
    backend: BackendKit, monkeypatch, seconds, drawn
):
    now, shown = 0.0, []

    class SlowBatches(list):
        def __iter__(self):
            nonlocal now
            now += seconds
            return super().__iter__()

    monkeypatch.setattr("d2lutils.backend.time.perf_counter", lambda: now)
    monkeypatch.setattr(
        "d2lutils.plotting.Animator.redraw",
        lambda animator: shown.append(len(animator.X[0])),
    )
    batches = backend.batches(images_and_labels(8))
    run_train_ch3(backend, SlowBatches(batches), batches, num_epochs=10)
    assert shown == drawn


def test_train_ch3_reports_a_loss_that_is_not_finite(backend: BackendKit, capsys):
    """A learning rate that is too large isn't an error."""
    batches = backend.batches(images_and_labels(8), images_and_labels(8))
    history = run_train_ch3(backend, batches, batches, num_epochs=3, lr=1e38)
    assert len(history.train_loss) == 3
    assert not math.isfinite(history.train_loss[-1])
    told = [line for line in capsys.readouterr().out.splitlines() if "finite" in line]
    assert len(told) == 1
    assert "smaller learning rate" in told[0]


def test_an_empty_iterator_is_reported(backend: BackendKit):
    batches = backend.batches(images_and_labels(8))
    for train_iter, test_iter, said in [
        ([], batches, "train_iter yielded no batch"),
        (batches, [], "data_iter yielded no batch"),
        (iter(batches), batches, "a generator is used up after one pass"),
    ]:
        with pytest.raises(ValueError, match=said):
            run_train_ch3(backend, train_iter, test_iter)


def test_a_wrong_argument_is_reported(backend: BackendKit, small_data):
    load = backend.d2l.load_data_fashion_mnist
    train_iter, test_iter = load(16)
    for name, function, wrong in [
        ("batch_size", load, (0, -1, 2.5, "8", None, True)),
        ("resize", lambda value: load(8, value), (0, -3, 9.5, (28, 28))),
        ("n", train_iter.split, (0, -1, 10**6, 2.5)),
        (
            "num_epochs",
            lambda value: run_train_ch3(backend, train_iter, test_iter, value),
            (0, 1.5, None),
        ),
        ("seed", backend.d2l.set_seed, (-1, 2**32, 1.5, "a")),
    ]:
        for value in wrong:
            with pytest.raises((TypeError, ValueError), match=f"^{name} must be "):
                function(value)


# -- prediction ----------------------------------------------------------------


def test_predict_ch3_titles_show_truth_above_prediction(
    backend: BackendKit, small_data
):
    _, test_iter = backend.d2l.load_data_fashion_mnist(4)
    # Scores that prefer class 1 for every image.
    net = backend.affine(*backend.parameters(np.zeros((784, 10)), np.eye(10)[1]))
    backend.d2l.predict_ch3(net, test_iter, n=6)  # more than one batch
    shown = plt.gcf().axes
    names = backend.d2l.get_fashion_mnist_labels(small_data.test_labels[:6])
    assert [ax.get_title() for ax in shown] == [f"{name}\ntrouser" for name in names]
    for ax, image in zip(shown, small_data.test_images, strict=False):
        expected = image / np.float32(255)
        np.testing.assert_array_equal(ax.images[0].get_array(), expected)
    for n, said in (
        (31, r"n asks for 31 examples, .* yields only 30"),
        (0, "n must be a whole number of at least 1"),
    ):
        with pytest.raises(ValueError, match=said):
            backend.d2l.predict_ch3(net, test_iter, n=n)


# -- the rest ------------------------------------------------------------------


def test_a_seed_repeats_weights_and_batches(backend: BackendKit, small_data):
    train_iter, _ = backend.d2l.load_data_fashion_mnist(16)
    normal = {
        "mxnet": lambda: backend.mxnet.np.random.normal(size=5),
        "torch": lambda: backend.torch.randn(5),
        "tensorflow": lambda: backend.tf.random.normal((5,)),
        "jax": lambda: np.random.normal(size=5),  # JAX itself needs keys
    }[backend.name]

    def draw():
        backend.d2l.set_seed(7)
        labels = [backend.numpy(y) for _ in range(2) for _, y in train_iter]
        numbers = [np.asarray(backend.numpy(normal())) for _ in range(2)]
        assert not np.array_equal(*numbers)
        return np.concatenate([*labels, *numbers])

    np.testing.assert_array_equal(draw(), draw())


def test_the_frameworks_own_seed_repeats_a_run(
    backend: BackendKit, small_data, monkeypatch
):
    monkeypatch.setattr(minibatches, "_shuffling", None)  # as in a fresh process
    train_iter, _ = backend.d2l.load_data_fashion_mnist(70)

    def epochs(seed):
        backend.seed_itself(seed)
        return [backend.numpy(X).tobytes() for _ in range(2) for X, _ in train_iter]

    first = epochs(0)
    assert len({*first, *epochs(1)}) == 4
    assert epochs(0) == first


def test_devices_fall_back_to_the_cpu(backend: BackendKit):
    assert len(backend.d2l.try_all_gpus()) >= 1
    if backend.name == "tensorflow":
        with backend.d2l.try_gpu(10**6):
            assert "CPU:0" in backend.tf.constant(1.0).device
    else:
        assert "cpu" in str(backend.d2l.try_gpu(10**6)).lower()


def test_apple_gpus_are_found(backend: BackendKit, monkeypatch):
    if backend.name == "torch":
        backends = backend.torch.backends
        monkeypatch.setattr(backends.mps, "is_available", lambda: True)
        expected = backend.torch.device("mps")
    elif backend.name == "jax":
        expected = SimpleNamespace(platform="METAL")
        own = backend.jax.devices
        found = lambda kind=None: own(kind) if kind else [expected]  # noqa: E731
        monkeypatch.setattr(backend.jax, "devices", found)
    else:
        pytest.skip("needs no code for Apple GPUs")
    assert backend.d2l.try_gpu() == expected
    assert backend.d2l.try_all_gpus() == [expected]


def test_tensors_can_be_drawn(backend: BackendKit):
    backend.d2l.plot(
        backend.tensor([0.0, 1.0]), [backend.tensor([1.0, 2.0]), [3.0, 4.0]]
    )
    lines = plt.gcf().axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[1, 2], [3, 4]]
    assert 1 <= backend.d2l.get_dataloader_workers() <= 4
