"""Every function of the contract, in every framework, on small data."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from d2lutils import minibatches
from frameworks import REDUCTIONS, BackendKit

RNG = np.random.default_rng(1)
W0 = RNG.normal(0, 0.05, (784, 10))
B0 = RNG.normal(0, 0.05, 10)


def images_and_labels(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.random((n, 28, 28)), rng.integers(0, 10, n)


def softmax_step(
    W: np.ndarray, b: np.ndarray, X: np.ndarray, y: np.ndarray, lr: float
) -> tuple[np.ndarray, np.ndarray, float, int]:
    """One step on the mean cross-entropy, in float64.

    With P the softmax of the scores and Y one-hot: the gradient with respect to
    the scores is (P - Y) / n. Returns W, b, the summed loss before the step, and
    the number of right predictions before it.
    """
    X = X.reshape(len(X), -1)
    scores = X @ W + b
    P = np.exp(scores - scores.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    delta = (P - np.eye(10)[y]) / len(y)
    total = -np.log(P[np.arange(len(y)), y]).sum()
    right = int((scores.argmax(axis=1) == y).sum())
    return W - lr * X.T @ delta, b - lr * delta.sum(axis=0), total, right


# -- data ----------------------------------------------------------------------


def test_batches_have_the_shapes_and_types_of_the_contract(
    backend: BackendKit, small_data
):
    train_iter, test_iter = backend.d2l.load_data_fashion_mnist(32)
    assert (len(train_iter), len(test_iter)) == (3, 1)
    sizes = []
    for X, y in train_iter:
        X, y = backend.numpy(X), backend.numpy(y)
        image = (1, 28, 28) if backend.channel_axis == 1 else (28, 28, 1)
        assert X.shape == (len(y), *image)
        assert (X.dtype, y.dtype) == (np.float32, backend.label_dtype)
        assert 0 <= X.min() < X.max() <= 1
        sizes.append(len(y))
    assert sizes == [32, 32, 6]


def test_training_shuffles_examples_anew_in_each_epoch(backend: BackendKit, small_data):
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


@pytest.mark.parametrize("side", [14, 28, 96])
def test_resize_changes_the_side_only(backend: BackendKit, small_data, side):
    train_iter, test_iter = backend.d2l.load_data_fashion_mnist(8, resize=side)
    for data_iter in (train_iter, test_iter):
        X = backend.numpy(next(iter(data_iter))[0])
        expected = [8, side, side]
        expected.insert(backend.channel_axis, 1)
        assert list(X.shape) == expected
        assert X.dtype == np.float32
        assert 0 <= X.min() < X.max() <= 1


def test_resize_to_the_same_side_changes_nothing(backend: BackendKit, small_data):
    plain = backend.d2l.load_data_fashion_mnist(30)[1]
    resized = backend.d2l.load_data_fashion_mnist(30, resize=28)[1]
    for (a, _), (b, _) in zip(plain, resized, strict=True):
        np.testing.assert_allclose(backend.numpy(a), backend.numpy(b), atol=1e-6)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", None, True])
def test_a_wrong_batch_size_is_named(backend: BackendKit, small_data, batch_size):
    with pytest.raises(
        (TypeError, ValueError), match="batch_size must be a whole"
    ) as e:
        backend.d2l.load_data_fashion_mnist(batch_size)
    assert repr(batch_size) in str(e.value)


@pytest.mark.parametrize("resize", [0, -3, 9.5, (28, 28)])
def test_a_wrong_resize_is_named(backend: BackendKit, small_data, resize):
    with pytest.raises((TypeError, ValueError), match="resize must be a whole number"):
        backend.d2l.load_data_fashion_mnist(8, resize=resize)


def test_a_batch_belongs_to_the_caller(backend: BackendKit, small_data):
    """Two passes held at the same time do not share memory."""
    _, test_iter = backend.d2l.load_data_fashion_mnist(30)
    (X, _), (again, _) = *test_iter, *test_iter
    before = backend.numpy(X).copy()
    if backend.name in ("mxnet", "torch"):  # elsewhere tensors cannot be changed
        again[:] = 0
    np.testing.assert_array_equal(backend.numpy(X), before)


@pytest.mark.parametrize("resize", [None, 32])
def test_a_split_divides_the_examples(backend: BackendKit, small_data, resize):
    whole, _ = backend.d2l.load_data_fashion_mnist(16, resize)
    first, others = whole.split(40)
    counts = first.num_examples, others.num_examples
    assert counts == (40, whole.num_examples - 40)
    assert len(first) == 3

    def images(batches):
        X = np.concatenate([backend.numpy(X) for X, _ in batches])
        return X.reshape(len(X), -1)

    def as_a_set(rows):
        return np.unique(rows, axis=0)

    training, validation = images(first), images(others)
    both = np.concatenate([training, validation])
    np.testing.assert_array_equal(as_a_set(both), as_a_set(images(whole)))
    # The first are shuffled anew in each epoch, the others are not.
    assert not np.array_equal(training, images(first))
    np.testing.assert_array_equal(validation, images(others))
    np.testing.assert_array_equal(as_a_set(training), as_a_set(images(first)))


def test_a_split_of_test_examples_keeps_their_order(backend: BackendKit, small_data):
    _, test_iter = backend.d2l.load_data_fashion_mnist(16)
    parts = [y for part in test_iter.split(20) for _, y in part]
    labels = np.concatenate([backend.numpy(y) for y in parts])
    expected = np.concatenate([backend.numpy(y) for _, y in test_iter])
    np.testing.assert_array_equal(labels, expected)


def test_a_pickled_loader_goes_on(backend: BackendKit, small_data):
    """As a process that is spawned is given it."""
    backend.d2l.set_seed(1)
    loaders = backend.d2l.load_data_fashion_mnist(16, resize=14)
    for loader, copy in zip(loaders, pickle.loads(pickle.dumps(loaders)), strict=True):
        backend.d2l.set_seed(1)
        expected = [backend.numpy(part) for batch in loader for part in batch]
        backend.d2l.set_seed(1)
        found = [backend.numpy(part) for batch in copy for part in batch]
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_share_a_pass(backend: BackendKit, small_data):
    train_iter, _ = backend.d2l.load_data_fashion_mnist(1)
    with ThreadPoolExecutor(8) as pool:
        shared = iter(train_iter)
        parts = [*pool.map(lambda _: [*shared], range(8))]
    images = [backend.numpy(X).tobytes() for part in parts for X, _ in part]
    assert len(set(images)) == len(images) == 70


@pytest.mark.parametrize("n", [0, -1, 10**6, 2.5])
def test_a_split_that_leaves_nothing_is_named(backend: BackendKit, small_data, n):
    train_iter, _ = backend.d2l.load_data_fashion_mnist(16)
    with pytest.raises((TypeError, ValueError), match=r"^n must be "):
        train_iter.split(n)


def test_labels_have_names(backend: BackendKit):
    labels = backend.tensor([9, 0, 6], backend.label_dtype)
    names = backend.d2l.get_fashion_mnist_labels(labels)
    assert names == ["ankle boot", "t-shirt", "shirt"]


@pytest.mark.parametrize("label", [-1, 10, 2.5])
def test_an_unknown_label_is_named(backend: BackendKit, label):
    with pytest.raises(ValueError, match=f"from 0 to 9, but one is {label}"):
        backend.d2l.get_fashion_mnist_labels([1, label])


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


def test_accuracy_counts_beyond_eight_bits(backend: BackendKit):
    y = backend.tensor(np.zeros(1000), backend.label_dtype)
    assert backend.d2l.accuracy(backend.tensor(np.eye(10)[[0] * 1000]), y) == 1000


@pytest.mark.parametrize("shape", [(2, 10), (2,), (3, 1, 10)])
def test_accuracy_refuses_shapes_that_do_not_fit(backend: BackendKit, shape):
    y = backend.tensor([0, 1, 2], backend.label_dtype)
    with pytest.raises(ValueError, match=r"y_hat must hold .* y_hat has shape \("):
        backend.d2l.accuracy(backend.tensor(np.zeros(shape)), y)


def test_evaluate_accuracy_refuses_an_empty_iterator(backend: BackendKit):
    net = backend.affine(*backend.parameters(W0, B0))
    with pytest.raises(ValueError, match="data_iter yielded no batch"):
        backend.d2l.evaluate_accuracy(net, [])


def test_evaluate_accuracy_leaves_every_module_in_its_mode(backend: BackendKit):
    if backend.name != "torch":
        pytest.skip("only PyTorch keeps a mode in its modules")
    net, modes = backend.layer(W0, B0), []
    net[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    batches = backend.batches(images_and_labels(4))
    for outer, inner in [(True, True), (True, False), (False, False)]:
        net.training, net[1].training = outer, inner
        backend.d2l.evaluate_accuracy(net, batches)
        assert (net.training, net[1].training) == (outer, inner)
    assert modes == [False] * 3
    net.train()
    with pytest.raises(ValueError, match=r"yielded no batch"):
        backend.d2l.evaluate_accuracy(net, [])
    assert net.training


def test_a_trained_model_is_ready_for_use(backend: BackendKit):
    if backend.name != "torch":
        pytest.skip("only PyTorch keeps a mode in its modules")
    net = backend.layer(W0, B0).eval()
    batches, loss = backend.batches(images_and_labels(4)), backend.loss("none")
    updater = backend.optimizer(net, 0.1)
    backend.d2l.train_epoch_ch3(net, batches, loss, updater)
    assert all(module.training for module in net.modules())
    backend.d2l.train_ch3(net, batches, batches, loss, 2, updater)
    assert not any(module.training for module in net.modules())


# -- training ------------------------------------------------------------------


def per_example(backend: BackendKit, y_hat, y):
    return backend.losses(backend.loss("none"), y_hat, y)


def one_number(backend: BackendKit, said: str):
    """A loss that returns a sum or a mean, and says so or not."""

    def loss(y_hat, y, reduction="mean"):
        total = backend.total(per_example(backend, y_hat, y))
        return total if reduction == "sum" else total / y.shape[0]

    def silent(y_hat, y):
        return loss(y_hat, y)

    def marked(y_hat, y):
        return loss(y_hat, y, "sum")

    marked.reduction = "sum"
    return {
        "default": loss,
        "bound": partial(loss, reduction="sum"),
        "bound twice": partial(partial(loss, reduction="mean"), reduction="sum"),
        "attribute": marked,
        "attribute, bound": partial(marked),
        "unsaid": silent,
        "unsaid, bound": partial(silent),
    }[said]


SAID = ("default", "bound", "bound twice", "attribute", "attribute, bound")


@pytest.mark.parametrize("kind", [*REDUCTIONS, *SAID])
@pytest.mark.parametrize("updater", ["own", "optimizer"])
def test_every_updater_and_loss_takes_the_same_step(backend: BackendKit, kind, updater):
    """All follow the gradient of the batch's mean loss, the last batch's too."""
    lr, parts = 0.1, [images_and_labels(8), images_and_labels(3)]
    loss = backend.loss(kind) if kind in REDUCTIONS else one_number(backend, kind)
    if updater == "own":
        params = backend.parameters(W0, B0)
        net, update = backend.affine(*params), backend.own_updater(params, lr)
    else:
        net = backend.layer(W0, B0)
        update = backend.optimizer(net, lr)
    batches = backend.batches(*parts)
    mean, rate = backend.d2l.train_epoch_ch3(net, batches, loss, update)
    W, b, total, right = W0, B0, 0, 0
    for X, y in parts:
        W, b, loss_sum, count = softmax_step(W, b, X, y, lr)
        total, right = total + loss_sum, right + count
    # float32 keeps 24 bits, and a score sums 784 products: a few 1e-7 each.
    assert mean == pytest.approx(total / 11, rel=1e-5)
    assert rate == right / 11
    if updater == "own":
        got = [backend.numpy(p) for p in params]
    else:
        got = backend.layer_weights(net)
    np.testing.assert_allclose(got[0], W, atol=1e-6)
    np.testing.assert_allclose(got[1], b, atol=1e-6)


def test_an_optimizer_trains_a_plain_function(backend: BackendKit):
    if backend.name != "tensorflow":
        pytest.skip("elsewhere an optimizer is given its parameters beforehand")
    params = backend.parameters(W0, B0)
    X, y = images_and_labels(8)
    backend.d2l.train_epoch_ch3(
        backend.affine(*params),
        backend.batches((X, y)),
        backend.loss("none"),
        backend.optimizer(None, 0.1),
    )
    W, b, *_ = softmax_step(W0, B0, X, y, 0.1)
    np.testing.assert_allclose(backend.numpy(params[0]), W, atol=1e-6)
    np.testing.assert_allclose(backend.numpy(params[1]), b, atol=1e-6)


def run_train_ch3(
    backend: BackendKit, train_iter, test_iter, num_epochs=2, lr=0.1, **options
):
    params = backend.parameters(W0, B0)
    return backend.d2l.train_ch3(
        backend.affine(*params),
        train_iter,
        test_iter,
        backend.loss("none"),
        num_epochs,
        backend.own_updater(params, lr),
        **options,
    )


def test_train_ch3_records_every_epoch_and_prints_the_last(
    backend: BackendKit, small_data, capsys
):
    iterators = backend.d2l.load_data_fashion_mnist(16)
    history = run_train_ch3(backend, *iterators, num_epochs=3, lr=1e-3)
    assert history.epochs == [1, 2, 3]
    for curve in (history.train_loss, history.train_accuracy, history.test_accuracy):
        assert len(curve) == 3
        assert all(math.isfinite(figure) for figure in curve)
    assert history.train_loss[0] > history.train_loss[-1]
    assert capsys.readouterr().out == (
        f"epoch 3: train loss {history.train_loss[-1]:.3f}, "
        f"train accuracy {history.train_accuracy[-1]:.3f}, "
        f"test accuracy {history.test_accuracy[-1]:.3f}\n"
    )


def test_train_ch3_that_does_not_draw_trains_as_it_does_else(
    backend: BackendKit, small_data, capsys, monkeypatch
):
    def run(**options):
        backend.d2l.set_seed(3)
        iterators = backend.d2l.load_data_fashion_mnist(16)
        return run_train_ch3(backend, *iterators, **options)

    plt.close("all")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)  # which gets a bar
    history = run(draw=False)
    assert capsys.readouterr() == ("", "")
    assert plt.get_fignums() == []
    assert history == run()
    assert "epoch/s" in capsys.readouterr().err


def test_train_ch3_draws_the_three_curves(backend: BackendKit, small_data, monkeypatch):
    # Outside a notebook its figure is closed when the training ends.
    monkeypatch.setattr("d2lutils.backend.Animator.close", lambda animator: None)
    history = run_train_ch3(
        backend, *backend.d2l.load_data_fashion_mnist(16), num_epochs=3
    )
    axes = plt.gcf().axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    names = [text.get_text() for text in axes.texts]
    assert names == ["train loss", "train acc", "test acc"]
    assert list(drawn.values()) == [
        history.train_loss,
        history.train_accuracy,
        history.test_accuracy,
    ]
    # Told apart without colour.
    assert len({line.get_linestyle() for line in axes.lines}) == 3


@pytest.mark.parametrize(
    ("seconds", "drawn"), [(0.04, [1, 8, 10]), (0.3, list(range(1, 11)))]
)
def test_every_epoch_is_drawn_but_few_times_a_second(
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
    """A learning rate that overflows is a lesson, not an error."""
    batches = backend.batches(images_and_labels(8), images_and_labels(8))
    history = run_train_ch3(backend, batches, batches, num_epochs=3, lr=1e38)
    assert len(history.train_loss) == 3
    assert not math.isfinite(history.train_loss[-1])
    told = [line for line in capsys.readouterr().out.splitlines() if "finite" in line]
    assert len(told) == 1
    assert "smaller learning rate" in told[0]


@pytest.mark.parametrize("num_epochs", [0, 1.5, None])
def test_a_wrong_number_of_epochs_is_named(backend: BackendKit, num_epochs):
    batches = backend.batches(images_and_labels(8))
    with pytest.raises((TypeError, ValueError), match=r"num_epochs must be a whole"):
        run_train_ch3(backend, batches, batches, num_epochs)


@pytest.mark.parametrize("which", ["train_iter", "data_iter"])
def test_an_empty_iterator_is_named(backend: BackendKit, which):
    batches = backend.batches(images_and_labels(8))
    pair = ([], batches) if which == "train_iter" else (batches, [])
    with pytest.raises(ValueError, match=f"{which} yielded no batch"):
        run_train_ch3(backend, *pair)


def test_a_generator_is_refused_when_it_is_used_up(backend: BackendKit):
    batches = backend.batches(images_and_labels(8))
    with pytest.raises(ValueError, match="a generator is used up after one pass"):
        run_train_ch3(backend, iter(batches), batches)


@pytest.mark.parametrize("wrong", ["rows", "vector"])
def test_a_net_of_the_wrong_shape_is_named(backend: BackendKit, wrong):
    params = backend.parameters(W0, B0)
    right = backend.affine(*params)
    net = (lambda X: right(X)[:-1]) if wrong == "rows" else (lambda X: right(X)[:, 0])
    with pytest.raises(ValueError, match=r"net\(X\) must return one row of scores"):
        backend.d2l.train_epoch_ch3(
            net,
            backend.batches(images_and_labels(8)),
            backend.loss("none"),
            backend.own_updater(params, 0.1),
        )


@pytest.mark.parametrize("what", ["tuple", "list", "None"])
def test_a_net_that_returns_no_tensor_is_named(backend: BackendKit, what):
    params = backend.parameters(W0, B0)
    right = backend.affine(*params)
    wrap = {"tuple": lambda y: (y, y), "list": lambda y: [y], "None": lambda y: None}
    net = lambda X: wrap[what](right(X))  # noqa: E731
    batches = backend.batches(images_and_labels(8))
    kind = "NoneType" if what == "None" else what
    expected = rf"net\(X\) must return one tensor .* it returned a {kind}"
    updater = backend.own_updater(params, 0.1)
    with pytest.raises(TypeError, match=expected):
        backend.d2l.train_epoch_ch3(net, batches, backend.loss("none"), updater)
    with pytest.raises(TypeError, match=expected):
        backend.d2l.evaluate_accuracy(net, batches)
    with pytest.raises(TypeError, match=expected):
        backend.d2l.predict_ch3(net, batches)


def test_a_batch_of_no_rows_is_named(backend: BackendKit):
    params = backend.parameters(W0, B0)
    X, y = images_and_labels(8)
    batches = backend.batches((X, y), (X[:0], y[:0]))
    net, updater = backend.affine(*params), backend.own_updater(params, 0.1)
    with pytest.raises(ValueError, match="y holds no label"):
        backend.d2l.train_epoch_ch3(net, batches, backend.loss("none"), updater)
    with pytest.raises(ValueError, match="y holds no label"):
        backend.d2l.evaluate_accuracy(net, batches)


def test_scores_are_counted_before_their_memory_is_used_again(backend: BackendKit):
    if backend.name not in ("mxnet", "torch"):
        pytest.skip("tensors do not change here")
    params, lr = backend.parameters(W0, B0), 0.1
    scores, memory = backend.affine(*params), backend.tensor(np.zeros((8, 10)))

    def net(X):
        if backend.name == "torch":
            return memory.detach_().copy_(scores(X))
        (W, b), (flat,) = params, [X.reshape((len(X), -1))]
        return backend.mxnet.npx.fully_connected(
            flat, W.T, b, num_hidden=10, out=memory
        )

    pairs = [images_and_labels(8), (1 - images_and_labels(8)[0], np.arange(8))]
    updater = backend.own_updater(params, lr)
    figures = backend.d2l.train_epoch_ch3(
        net, backend.batches(*pairs), backend.loss("none"), updater
    )
    W, b, total, right = W0, B0, 0, 0
    for X, y in pairs:
        W, b, loss_sum, count = softmax_step(W, b, X, y, lr)
        total, right = total + loss_sum, right + count
    assert figures == pytest.approx((total / 16, right / 16), rel=1e-5)


def test_a_parameter_without_a_gradient_is_named(backend: BackendKit):
    if backend.name == "jax":
        pytest.skip("a gradient with respect to an argument always exists, maybe 0")
    net = backend.affine(*backend.parameters(W0, B0))
    unused = [backend.tensor(W0)] if backend.name == "mxnet" else backend.parameters(W0)
    arguments = backend.batches(images_and_labels(8)), backend.loss("none")
    with pytest.raises(
        ValueError, match=r"A parameter of shape .*784, 10.* has no grad"
    ):
        backend.d2l.train_epoch_ch3(net, *arguments, backend.own_updater(unused, 0.1))
    if backend.name == "torch":  # elsewhere the frameworks say so themselves
        other = backend.optimizer(backend.layer(W0, B0), 0.1)
        with pytest.raises(
            ValueError, match="Every parameter of the updater has no grad"
        ):
            backend.d2l.train_epoch_ch3(backend.layer(W0, B0), *arguments, other)


def test_a_net_without_any_trainable_parameter_is_named(backend: BackendKit):
    if backend.name == "jax":
        pytest.skip("what is trained is an argument")
    still = backend.tensor(W0), backend.tensor(B0)
    net = lambda X: X.reshape((-1, 784)) @ still[0] + still[1]  # noqa: E731
    if backend.name == "tensorflow":
        net = lambda X: backend.tf.reshape(X, (-1, 784)) @ still[0] + still[1]  # noqa: E731
    arguments = backend.batches(images_and_labels(8)), backend.loss("none")
    updater = backend.own_updater(backend.parameters(W0), 0.1)
    with pytest.raises(ValueError, match="has no gradient: the loss does not depend"):
        backend.d2l.train_epoch_ch3(net, *arguments, updater)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_named(backend: BackendKit, label):
    params = backend.parameters(W0, B0)
    X, y = images_and_labels(8)
    y[3] = label
    with pytest.raises(ValueError, match=f"y holds label {label}, but .* 0 to 9 only"):
        backend.d2l.train_epoch_ch3(
            backend.affine(*params),
            backend.batches((X, y)),
            backend.loss("none"),
            backend.own_updater(params, 0.1),
        )
    np.testing.assert_array_equal(backend.numpy(params[0]), W0.astype(np.float32))


def test_an_updater_without_params_is_refused(backend: BackendKit):
    if backend.name != "tensorflow":
        pytest.skip("elsewhere any function of the batch size is an updater")
    net = backend.affine(*backend.parameters(W0, B0))
    with pytest.raises(TypeError, match="updater must be an optimizer"):
        backend.d2l.train_epoch_ch3(net, [], backend.loss("none"), lambda n: None)


# -- prediction ----------------------------------------------------------------


def test_predict_ch3_titles_truth_over_prediction(backend: BackendKit, small_data):
    _, test_iter = backend.d2l.load_data_fashion_mnist(4)
    # Scores that prefer class 1 for every image.
    net = backend.affine(*backend.parameters(np.zeros((784, 10)), np.eye(10)[1]))
    backend.d2l.predict_ch3(net, test_iter, n=6)  # more than one batch holds
    shown = plt.gcf().axes
    names = backend.d2l.get_fashion_mnist_labels(small_data.test_labels[:6])
    assert [ax.get_title() for ax in shown] == [f"{name}\ntrouser" for name in names]
    for ax, image in zip(shown, small_data.test_images, strict=False):
        expected = image / np.float32(255)
        np.testing.assert_array_equal(ax.images[0].get_array(), expected)


def test_predict_ch3_says_when_there_are_too_few_images(
    backend: BackendKit, small_data
):
    _, test_iter = backend.d2l.load_data_fashion_mnist(16)
    net = backend.affine(*backend.parameters(W0, B0))
    with pytest.raises(ValueError, match=r"n asks for 31 examples, .* yields only 30"):
        backend.d2l.predict_ch3(net, test_iter, n=31)
    with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
        backend.d2l.predict_ch3(net, test_iter, n=0)


# -- the rest ------------------------------------------------------------------


def test_a_seed_repeats_weights_and_batches(backend: BackendKit, small_data):
    def draw():
        backend.d2l.set_seed(7)
        train_iter, _ = backend.d2l.load_data_fashion_mnist(16)
        return [backend.numpy(y) for _ in range(2) for _, y in train_iter]

    first, again = draw(), draw()
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    if backend.name == "tensorflow":
        normal = lambda: backend.tf.random.normal((5,))  # noqa: E731
    elif backend.name == "torch":
        normal = lambda: backend.torch.randn(5)  # noqa: E731
    elif backend.name == "jax":
        return  # there, numbers belong to keys
    else:
        normal = lambda: backend.mxnet.np.random.normal(size=5)  # noqa: E731
    backend.d2l.set_seed(7)
    a, b = backend.numpy(normal()), backend.numpy(normal())
    assert not np.array_equal(a, b)
    backend.d2l.set_seed(7)
    np.testing.assert_array_equal(backend.numpy(normal()), a)


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


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a"])
def test_a_wrong_seed_is_named(backend: BackendKit, seed):
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        backend.d2l.set_seed(seed)


def test_devices_fall_back_to_the_cpu(backend: BackendKit):
    """Beyond the last GPU of any machine there is only the CPU."""
    assert (
        "cpu" in str(backend.d2l.try_gpu(10**6)).lower() or backend.name == "tensorflow"
    )
    assert len(backend.d2l.try_all_gpus()) >= 1
    if backend.name == "tensorflow":
        with backend.d2l.try_gpu(10**6):
            assert "CPU:0" in backend.tf.constant(1.0).device


def test_apples_gpu_is_one(backend: BackendKit, monkeypatch):
    """In TensorFlow it is listed among the others."""
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
        pytest.skip("nothing of its own to find")
    assert backend.d2l.try_gpu() == expected
    assert backend.d2l.try_all_gpus() == [expected]


def test_worker_processes_are_bounded(backend: BackendKit):
    assert 1 <= backend.d2l.get_dataloader_workers() <= 4


def test_tensors_can_be_drawn(backend: BackendKit):
    backend.d2l.plot(
        backend.tensor([0.0, 1.0]), [backend.tensor([1.0, 2.0]), [3.0, 4.0]]
    )
    lines = plt.gcf().axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[1, 2], [3, 4]]
    backend.d2l.show_images(
        backend.tensor(np.zeros((2, 5, 5))), 1, 2, titles=["a", "b"]
    )
    assert len(plt.gcf().axes) == 2
