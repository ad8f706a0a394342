"""Tests of training: steps, losses, mistakes, regression, curves, interruptions."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import reference
from frameworks import BackendKit

RNG = np.random.default_rng(1)
W0 = RNG.normal(0, 0.05, (784, 10))
B0 = RNG.normal(0, 0.05, 10)
LR = 0.1


def images_and_labels(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.random((n, 28, 28)), rng.integers(0, 10, n)


def softmax(backend: BackendKit, updater: str = "own", W=W0, b=B0, lr: float = LR):
    """Return a model with one layer, its updater, and a function for its parameters."""
    if updater == "own":
        params = backend.parameters(W, b)
        read = lambda: [backend.numpy(param) for param in params]  # noqa: E731
        return backend.affine(*params), backend.own_updater(params, lr), read
    net = backend.layer(W, b)
    tensors = backend.tensors(net)
    read = lambda: [backend.turned(backend.numpy(t)) for t in tensors]  # noqa: E731
    return net, backend.optimizer(net, lr), read


def train(backend: BackendKit, net, updater, *pairs, loss=None):
    """Train for an epoch on batches of these images and labels."""
    batches = backend.batches(*(pairs or [images_and_labels(8)]))
    loss = loss or backend.loss("none")
    return backend.d2l.train_epoch_ch3(net, batches, loss, updater)


def assert_trained(figures, found, *pairs) -> None:
    """Compare with training in NumPy, in float64."""
    params = [W0.copy(), B0.copy()]
    # A score is a sum of 784 products in float32, with errors of a few 1e-7.
    expected = reference.train_epoch(pairs, params, LR)
    assert figures == pytest.approx(expected, rel=1e-5)
    for one, other in zip(found, params, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def one_number(backend: BackendKit, said: str):
    """Return a loss with a scalar result, which may or may not state its reduction."""

    def loss(y_hat, y, reduction="mean"):
        total = backend.module.reduce_sum(backend.per_example(y_hat, y))
        return total if reduction == "sum" else total / y.shape[0]

    def silent(y_hat, y):
        return loss(y_hat, y)

    def marked(y_hat, y):
        return loss(y_hat, y, "sum")

    marked.reduction = "sum"
    return {
        "default": loss,
        "bound": partial(loss, reduction="sum"),
        "attribute": marked,
        "attribute, bound": partial(marked),
        "unsaid": silent,
        "unsaid, bound": partial(silent),
    }[said]


OWN = ("none", "mean", "sum")
SAID = ("default", "bound", "attribute", "attribute, bound")


@pytest.mark.parametrize("kind", [*OWN, *SAID])
@pytest.mark.parametrize("updater", ["own", "optimizer"])
def test_every_updater_and_loss_takes_the_same_step(backend: BackendKit, kind, updater):
    """All use the gradient of the batch's mean loss, even for a smaller last batch."""
    if kind in OWN and kind not in backend.reductions:
        pytest.skip("the framework's own loss is one number per example")
    pairs = [images_and_labels(8), images_and_labels(3)]
    loss = backend.loss(kind) if kind in OWN else one_number(backend, kind)
    net, update, read = softmax(backend, updater)
    assert_trained(train(backend, net, update, *pairs, loss=loss), read(), *pairs)


def test_plain_functions_run_as_written(backend: BackendKit):
    """Each batch goes to net and loss as it is, so they may print or keep a state."""
    if backend.name == "jax":
        pytest.skip("test_pure_functions.py: a step is traced once per shape")
    scores, updater, _ = softmax(backend)
    batches, seen = backend.batches(*map(images_and_labels, (8, 8, 3))), []

    def net(X):
        if backend.name == "torch":  # nor does it change the precision
            assert backend.torch.get_float32_matmul_precision() == "highest"
        seen.append(X)
        return scores(X)

    def loss(y_hat, y):
        seen.append(y)
        return backend.per_example(y_hat, y)

    backend.d2l.train_epoch_ch3(net, batches, loss, updater)
    backend.d2l.evaluate_accuracy(net, batches)
    given = [each for batch in batches for each in batch] + [X for X, _ in batches]
    assert [id(each) for each in seen] == [id(each) for each in given]


def test_scores_are_counted_before_their_memory_is_reused(backend: BackendKit):
    if backend.name not in ("mxnet", "torch"):
        pytest.skip("tensors are immutable")
    params, memory = backend.parameters(W0, B0), backend.tensor(np.zeros((8, 10)))
    scores = backend.affine(*params)

    def net(X):
        if backend.name == "torch":
            return memory.detach_().copy_(scores(X))
        (W, b), (flat,) = params, [X.reshape((len(X), -1))]
        return backend.mxnet.npx.fully_connected(
            flat, W.T, b, num_hidden=10, out=memory
        )

    pairs = [images_and_labels(8), (1 - images_and_labels(8)[0], np.arange(8))]
    figures = train(backend, net, backend.own_updater(params, LR), *pairs)
    assert_trained(figures, map(backend.numpy, params), *pairs)


# -- mistakes ------------------------------------------------------------------

NO_TENSOR = r"net\(X\) must return one tensor .* it returned a "
NETS = {
    "too few rows": (lambda y: y[:-1], r"net\(X\) must return one row of scores"),
    "a vector": (lambda y: y[:, 0], r"net\(X\) must return one row of scores"),
    "a list": (lambda y: [y], NO_TENSOR + "list"),
    "None": (lambda y: None, NO_TENSOR + "NoneType"),
}


@pytest.mark.parametrize(("change", "said"), NETS.values(), ids=NETS)
def test_a_wrong_output_of_net_is_reported(backend: BackendKit, change, said):
    right, updater, _ = softmax(backend)
    net = lambda X: change(right(X))  # noqa: E731
    with pytest.raises((TypeError, ValueError), match=said):
        train(backend, net, updater)
    if said.startswith(NO_TENSOR):
        for use in (backend.d2l.evaluate_accuracy, backend.d2l.predict_ch3):
            with pytest.raises(TypeError, match=said):
                use(net, backend.batches(images_and_labels(8)))


SHAPE = r"of shape \(8,\) or \(8, 1\), or .* shape "
LOSSES = {
    "(1,)": (lambda y_hat, losses: losses[:1], SHAPE + r"\(1,\)\."),
    "(8, 10)": (lambda y_hat, losses: y_hat, SHAPE + r"\(8, 10\)\. \(It is a square"),
    "no tensor": (lambda y_hat, losses: 0.5, r"loss must return a tensor, got 0\.5"),
}


@pytest.mark.parametrize("kind", [*LOSSES, "unsaid", "unsaid, bound"])
def test_a_wrong_output_of_loss_is_reported(backend: BackendKit, kind):
    """Even a scalar is wrong if the loss doesn't state its reduction."""
    net, updater, read = softmax(backend)
    if kind in LOSSES:
        change, said = LOSSES[kind]
        loss = lambda y_hat, y: change(y_hat, backend.per_example(y_hat, y))  # noqa: E731
    else:
        loss, said = one_number(backend, kind), r"one number .*\.reduction"
    with pytest.raises((TypeError, ValueError), match=said):
        train(backend, net, updater, loss=loss)
    np.testing.assert_array_equal(read()[0], W0.astype(np.float32))
    if kind not in LOSSES:  # for a single example, sum and mean are equal
        pair = images_and_labels(1)
        figures = train(backend, net, updater, pair, loss=loss)
        assert_trained(figures, read(), pair)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_reported(backend: BackendKit, label):
    net, updater, read = softmax(backend)
    X, y = images_and_labels(8)
    y[3] = label
    with pytest.raises(ValueError, match=f"y holds label {label}, but .* 0 to 9 only"):
        train(backend, net, updater, (X, y))
    np.testing.assert_array_equal(read()[0], W0.astype(np.float32))
    if backend.name != "jax":  # there it takes the parameters too
        batches, loss = backend.batches((X, y)), backend.loss("none")
        with pytest.raises(ValueError, match=f"y holds label {label}, but"):
            backend.d2l.evaluate_loss(net, batches, loss)
        with pytest.raises(TypeError, match=NO_TENSOR + "tuple"):
            backend.d2l.evaluate_loss(lambda X: (X, X), batches, loss)


def test_empty_batches_and_iterators_are_reported(backend: BackendKit):
    net, updater, _ = softmax(backend)
    (X, y), d2l = images_and_labels(8), backend.d2l
    batches, holed = backend.batches((X, y)), backend.batches((X, y), (X[:0], y[:0]))
    for train_iter, test_iter, said in [
        (holed, batches, "y holds no label"),
        (batches, holed, "y holds no label"),
        ([], batches, "train_iter yielded no batch"),
        (batches, [], "test_iter yielded no batch"),
        (iter(batches), batches, "a generator is used up after one pass"),
    ]:
        with pytest.raises(ValueError, match=said):
            d2l.train_ch3(net, train_iter, test_iter, backend.loss("none"), 2, updater)


def test_batches_that_are_no_pairs_are_reported(backend: BackendKit):
    net, updater, _ = softmax(backend)
    (X, y), *_ = batches = backend.batches(images_and_labels(2))
    loss = backend.loss("none")
    for wrong in ([X], [(X,)], [(X, y, y)], (batches, batches)):
        with pytest.raises(TypeError, match=r"of train_iter must be a pair \(X, y\)"):
            backend.d2l.train_epoch_ch3(net, wrong, loss, updater)
        with pytest.raises(TypeError, match=r"of data_iter must be a pair \(X, y\)"):
            backend.d2l.evaluate_accuracy(net, wrong)


@pytest.mark.parametrize("wrong", [None, 0.1, int, object()])
def test_updaters_and_losses_that_are_no_functions_are_reported(
    backend: BackendKit, wrong
):
    net, updater, _ = softmax(backend)
    if backend.name == "jax":
        wrong = SimpleNamespace(cells=[], function=wrong)
    with pytest.raises(TypeError, match=r"updater must be an? "):
        train(backend, net, wrong)
    with pytest.raises(TypeError, match="loss must be a function, such as an instance"):
        train(backend, net, updater, loss=int)


def test_an_updater_without_parameters_is_reported(backend: BackendKit):
    """A generator has none left at the second step, which would train nothing."""
    if backend.name == "jax":
        pytest.skip("parameters are passed to each step")
    params = backend.parameters(W0, B0)
    net = backend.affine(*params)
    updater = backend.own_updater(iter(params), LR)
    if backend.name == "tensorflow":
        updater = backend.d2l.Updater([], LR)
    with pytest.raises(ValueError, match="An empty list, or a generator"):
        train(backend, net, updater, *[images_and_labels(8)] * 2)


def test_a_parameter_without_a_gradient_is_reported(backend: BackendKit):
    if backend.name == "jax":
        pytest.skip("gradients always exist, although they may be 0")
    net, _, _ = softmax(backend)
    unused = [backend.tensor(W0)] if backend.name == "mxnet" else backend.parameters(W0)
    with pytest.raises(ValueError, match=r"A parameter of shape .*784, 10.* has no g"):
        train(backend, net, backend.own_updater(unused, LR))
    if backend.name == "torch":  # other frameworks report it themselves
        _, other, _ = softmax(backend, "optimizer")
        with pytest.raises(ValueError, match="Every parameter of the updater has no g"):
            train(backend, backend.layer(W0, B0), other)
    # A net of plain numbers doesn't depend on parameters either.
    still = backend.affine(backend.tensor(W0), backend.tensor(B0))
    updater = backend.own_updater(backend.parameters(W0), LR)
    with pytest.raises(ValueError, match="has no gradient: the loss does not depend"):
        train(backend, still, updater)


# -- regression ----------------------------------------------------------------


def regression(backend: BackendKit, shape: tuple[int, ...]):
    """Return six targets, their batch, and parameters that predict exactly 1."""
    X, _ = images_and_labels(6)
    y = np.where(np.arange(6) % 3 == 0, 1.0, 2.5)
    images = backend.batches((X, np.zeros(6)))[0][0]
    start = {"W": np.zeros((784, 1)), "b": np.ones(1), "lr": 0.01}
    return X, y, (images, backend.tensor(y.reshape(shape))), start


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
@pytest.mark.parametrize("how", ["own", "optimizer"])
def test_regression_with_one_output_is_trained_and_counted(
    backend: BackendKit, how, shape
):
    X, y, batch, start = regression(backend, shape)
    net, updater, read = softmax(backend, how, **start)
    reshape = backend.module.reshape
    loss = lambda y_hat, y: (y_hat - reshape(y, (6, 1))) ** 2  # noqa: E731
    if how == "optimizer":
        loss = backend.squared_error()
        if shape == (6,) and backend.name in ("torch", "jax"):
            pytest.skip("this loss needs targets with the shape of the predictions")
    # Two of the six predictions are correct.
    assert backend.d2l.evaluate_accuracy(net, [batch]) == 2 / 6
    figures = backend.d2l.train_epoch_ch3(net, [batch], loss, updater)
    assert figures == pytest.approx((1.5**2 * 4 / 6, 2 / 6))
    gradient = 2 * (1 - y) / 6
    W, b = read()
    expected = -0.01 * gradient @ X.reshape(6, -1)
    np.testing.assert_allclose(W[:, 0], expected, atol=1e-6)
    assert b[0] == pytest.approx(1 - 0.01 * gradient.sum())


def test_a_broadcast_loss_is_reported(backend: BackendKit):
    *_, batch, start = regression(backend, (6,))
    net, updater, _ = softmax(backend, **start)

    def loss(y_hat, y):
        return backend.module.reduce_sum((y_hat - y) ** 2) / 36

    loss.reduction = "mean"
    with pytest.raises(ValueError, match=r"shape \(6, 1\), but y has shape \(6,\)"):
        backend.d2l.train_epoch_ch3(net, [batch], loss, updater)


def test_targets_that_are_not_classes_are_reported(backend: BackendKit):
    net, updater, _ = softmax(backend)
    X, y = images_and_labels(8)
    batch = backend.batches((X, y))[0][0], backend.tensor(y + 0.5)
    loss = lambda y_hat, y: y_hat[:, 0] - y  # noqa: E731
    for target in (r".*\.5", "nan"):
        said = rf"y holds {target}, .* net\(X\) returns scores"
        with pytest.raises(ValueError, match=said):
            backend.d2l.train_epoch_ch3(net, [batch], loss, updater)
        batch = batch[0], backend.tensor(y * np.nan)


def test_one_column_and_whole_targets_are_reported(backend: BackendKit):
    net, updater, _ = softmax(backend, W=W0[:, :1], b=B0[:1])
    loss, d2l = backend.module.squared_loss, backend.d2l
    batches = backend.batches(images_and_labels(8))
    for use in (
        lambda: d2l.train_epoch_ch3(net, batches, loss, updater),
        lambda: d2l.predict_ch3(net, batches),  # it would call all images t-shirts
    ):
        with pytest.raises(ValueError, match="For regression, y must hold floats"):
            use()


# -- several epochs --------------------------------------------------------------


def run_train_ch3(backend, train_iter, test_iter, num_epochs=2, lr=0.1, **options):
    net, updater, _ = softmax(backend, lr=lr)
    arguments = net, train_iter, test_iter, backend.loss("none"), num_epochs, updater
    return backend.d2l.train_ch3(*arguments, **options)


def test_train_ch3_records_draws_and_prints(backend: BackendKit, capsys, monkeypatch):
    # Outside a notebook, the figure is closed when training ends.
    close = "d2lutils.backend.Animator.close"
    monkeypatch.setattr(close, lambda animator: None)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)  # terminals get a bar
    pairs = images_and_labels(8), images_and_labels(3)
    batches, expected = backend.batches(*pairs), [W0.copy(), B0.copy()]
    losses = [reference.train_epoch(pairs, expected, LR)[0] for _ in range(3)]
    quiet = run_train_ch3(backend, batches, batches, 3, draw=False)
    assert plt.get_fignums() == []
    assert capsys.readouterr() == ("", "")
    history = run_train_ch3(backend, batches, batches, 3)
    assert quiet == history
    assert history.epochs == [1, 2, 3]
    assert history.train_loss == pytest.approx(losses, rel=1e-5)
    printed = capsys.readouterr()
    assert printed.out == f"{history}\n"
    assert "epoch/s" in printed.err
    axes = plt.gcf().axes[0]
    names = [text.get_text() for text in axes.texts]
    assert names == ["train loss", "train acc", "test acc"]
    curves = [history.train_loss, history.train_accuracy, history.test_accuracy]
    assert [list(line.get_ydata()) for line in axes.lines] == curves
    # Curves differ even without color.
    assert len({line.get_linestyle() for line in axes.lines}) == 3


@pytest.fixture
def shown(monkeypatch) -> list[int]:
    """The length of the curves in each drawing."""
    lengths: list[int] = []
    redraw = lambda animator: lengths.append(len(animator.X[0]))  # noqa: E731
    monkeypatch.setattr("d2lutils.plotting.Animator.redraw", redraw)
    return lengths


class Batches(list):
    """Batches that count passes, and may interrupt one before its last batch."""

    passes, interrupted = 0, None

    def __iter__(self):
        self.passes += 1
        *most, last = list.__iter__(self)
        yield from most
        if self.passes == self.interrupted:
            raise KeyboardInterrupt
        yield last


@pytest.mark.parametrize(
    ("seconds", "drawn"), [(0.04, [1, 8, 10]), (0.3, list(range(1, 11)))]
)
def test_every_epoch_is_drawn_but_not_too_often(
    backend: BackendKit, monkeypatch, shown, seconds, drawn
):
    batches = backend.batches(images_and_labels(8))
    slow = Batches(batches)
    clock = lambda: slow.passes * seconds  # noqa: E731
    monkeypatch.setattr("d2lutils.backend.time.perf_counter", clock)
    run_train_ch3(backend, slow, batches, num_epochs=10)
    assert shown == drawn


def test_an_interruption_keeps_the_progress(backend: BackendKit, capsys, shown):
    pairs = images_and_labels(8), images_and_labels(3)
    batches, loss = backend.batches(*pairs), backend.loss("none")
    net, updater, read = softmax(backend)

    train_iter = Batches(batches)
    train_iter.interrupted = 3
    arguments = net, train_iter, batches, loss, 5, updater
    with pytest.raises(KeyboardInterrupt) as error:
        backend.d2l.train_ch3(*arguments)
    # Two epochs are drawn, printed and in the history.
    history = error.value.history
    assert history.epochs == [1, 2]
    assert f"interrupted; {history}" in capsys.readouterr().out
    assert shown[-1] == 2
    assert plt.get_fignums() == []
    # The parameters include one step of the third.
    expected = [W0.copy(), B0.copy()]
    reference.train_epoch([*pairs, *pairs, pairs[0]], expected, LR)
    for one, other in zip(read(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    # The same can train again.
    assert backend.d2l.train_ch3(*arguments).epochs == [1, 2, 3, 4, 5]


def test_train_ch3_reports_a_loss_that_is_not_finite(backend: BackendKit, capsys):
    """A learning rate that is too large isn't an error."""
    batches = backend.batches(images_and_labels(8), images_and_labels(8))
    history = run_train_ch3(backend, batches, batches, num_epochs=3, lr=1e38)
    assert len(history.train_loss) == 3
    assert not math.isfinite(history.train_loss[-1])
    told = [line for line in capsys.readouterr().out.splitlines() if "finite" in line]
    assert len(told) == 1
    assert "smaller learning rate" in told[0]
