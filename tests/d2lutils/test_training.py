"""Tests of training steps: updaters, losses, shapes and regression."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from frameworks import REDUCTIONS, BackendKit

RNG = np.random.default_rng(1)
W0 = RNG.normal(0, 0.05, (784, 10))
B0 = RNG.normal(0, 0.05, 10)
LR = 0.1


def images_and_labels(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.random((n, 28, 28)), rng.integers(0, 10, n)


def softmax_steps(*parts: tuple[np.ndarray, np.ndarray]) -> tuple:
    """Train for an epoch from W0 and B0 on the mean cross-entropy, in float64.

    If P is the softmax of the scores and Y is one-hot, the gradient with respect to the
    scores is (P - Y) / n. Return W, b, and the mean loss and accuracy, measured before
    each step.
    """
    W, b, total, right, n = W0, B0, 0, 0, 0
    for X, y in parts:
        X = X.reshape(len(X), -1)
        scores = X @ W + b
        P = np.exp(scores - scores.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        delta = (P - np.eye(10)[y]) / len(y)
        total -= np.log(P[np.arange(len(y)), y]).sum()
        right += int((scores.argmax(axis=1) == y).sum())
        W, b, n = W - LR * X.T @ delta, b - LR * delta.sum(axis=0), n + len(y)
    return W, b, total / n, right / n


def softmax(backend: BackendKit, updater: str = "own", W=W0, b=B0, lr: float = LR):
    """Return a model with one layer, its updater, and a function for its parameters."""
    if updater == "own":
        params = backend.parameters(W, b)
        read = lambda: [backend.numpy(param) for param in params]  # noqa: E731
        return backend.affine(*params), backend.own_updater(params, lr), read
    net = backend.layer(W, b)
    return net, backend.optimizer(net, lr), lambda: backend.layer_weights(net)


def train(backend: BackendKit, net, updater, *pairs, loss=None):
    """Train for an epoch on batches of these images and labels."""
    batches = backend.batches(*(pairs or [images_and_labels(8)]))
    loss = loss or backend.loss("none")
    return backend.d2l.train_epoch_ch3(net, batches, loss, updater)


def per_example(backend: BackendKit, y_hat, y):
    return backend.losses(backend.loss("none"), y_hat, y)


def one_number(backend: BackendKit, said: str):
    """Return a loss with a scalar result, which may or may not state its reduction."""

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
    """All use the gradient of the batch's mean loss, even for a smaller last batch."""
    parts = [images_and_labels(8), images_and_labels(3)]
    loss = backend.loss(kind) if kind in REDUCTIONS else one_number(backend, kind)
    net, update, read = softmax(backend, updater)
    mean, rate = train(backend, net, update, *parts, loss=loss)
    W, b, *expected = softmax_steps(*parts)
    # A score is a sum of 784 products in float32, with errors of a few 1e-7.
    assert (mean, rate) == pytest.approx(expected, rel=1e-5)
    for found, wanted in zip(read(), (W, b), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_an_optimizer_trains_a_plain_function(backend: BackendKit):
    if backend.name != "tensorflow":
        pytest.skip("other frameworks' optimizers already have their parameters")
    net, _, read = softmax(backend)
    train(backend, net, backend.optimizer(None, LR))
    W, b, *_ = softmax_steps(images_and_labels(8))
    for found, wanted in zip(read(), (W, b), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


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
    assert figures == pytest.approx(softmax_steps(*pairs)[2:], rel=1e-5)


# -- mistakes ------------------------------------------------------------------


NO_TENSOR = r"net\(X\) must return one tensor .* it returned a "
NETS = {
    "too few rows": (lambda y: y[:-1], r"net\(X\) must return one row of scores"),
    "a vector": (lambda y: y[:, 0], r"net\(X\) must return one row of scores"),
    "a tuple": (lambda y: (y, y), NO_TENSOR + "tuple"),
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


LOSSES = {
    "(1,)": lambda backend, y_hat, y: per_example(backend, y_hat, y)[:1],
    "(5,)": lambda backend, y_hat, y: per_example(backend, y_hat, y)[:5],
    "(8, 10)": lambda backend, y_hat, y: y_hat,
    "no tensor": lambda backend, y_hat, y: 0.5,
}


@pytest.mark.parametrize("returned", [*LOSSES, "unsaid", "unsaid, bound"])
@pytest.mark.parametrize("kind", ["own", "optimizer"])
def test_a_wrong_output_of_loss_is_reported(backend: BackendKit, kind, returned):
    """Even a scalar is wrong if the loss doesn't state its reduction."""
    net, updater, read = softmax(backend, kind)
    if returned in LOSSES:
        loss = partial(LOSSES[returned], backend)
        said = rf"of shape \(8,\) or \(8, 1\), or .* shape {returned}\."
        said = said.replace(returned, returned.replace("(", r"\(").replace(")", r"\)"))
        if returned == "no tensor":
            said = r"loss must return a tensor, got 0\.5"
    else:
        loss, said = one_number(backend, returned), r"one number .*\.reduction"
    with pytest.raises((TypeError, ValueError), match=said):
        train(backend, net, updater, loss=loss)
    np.testing.assert_array_equal(read()[0], W0.astype(np.float32))
    if returned not in LOSSES:  # for a single example, sum and mean are equal
        mean, _ = train(backend, net, updater, images_and_labels(1), loss=loss)
        expected = softmax_steps(images_and_labels(1))[2]
        assert mean == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_reported(backend: BackendKit, label):
    net, updater, read = softmax(backend)
    X, y = images_and_labels(8)
    y[3] = label
    with pytest.raises(ValueError, match=f"y holds label {label}, but .* 0 to 9 only"):
        train(backend, net, updater, (X, y))
    np.testing.assert_array_equal(read()[0], W0.astype(np.float32))


def test_an_empty_batch_is_reported(backend: BackendKit):
    net, updater, _ = softmax(backend)
    (X, y), d2l = images_and_labels(8), backend.d2l
    pairs = (X, y), (X[:0], y[:0])
    with pytest.raises(ValueError, match="y holds no label"):
        train(backend, net, updater, *pairs)
    with pytest.raises(ValueError, match="y holds no label"):
        d2l.evaluate_accuracy(net, backend.batches(*pairs))


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
    still = [backend.tensor(W0), backend.tensor(B0)]
    reshape = backend.module.reshape
    net = lambda X: reshape(X, (-1, 784)) @ still[0] + still[1]  # noqa: E731
    updater = backend.own_updater(backend.parameters(W0), LR)
    with pytest.raises(ValueError, match="has no gradient: the loss does not depend"):
        train(backend, net, updater)


def test_an_updater_without_params_is_refused(backend: BackendKit):
    if backend.name != "tensorflow":
        pytest.skip("other frameworks accept any function of the batch size")
    with pytest.raises(TypeError, match="updater must be an optimizer"):
        train(backend, softmax(backend)[0], lambda batch_size: None)


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


@pytest.mark.parametrize(
    ("single", "said"),
    [(False, r"it returned shape \(6, 6\)\. \(It is a square"),
     (True, r"has shape \(6, 1\), but y has shape \(6,\)")],
)  # fmt: skip
def test_broadcast_losses_are_reported(backend: BackendKit, single, said):
    *_, batch, start = regression(backend, (6,))
    net, updater, _ = softmax(backend, **start)

    def loss(y_hat, y):
        square = (y_hat - y) ** 2
        return backend.total(square) / 36 if single else square

    loss.reduction = "mean"
    with pytest.raises(ValueError, match=said):
        backend.d2l.train_epoch_ch3(net, [batch], loss, updater)


def test_targets_that_are_not_classes_are_reported(backend: BackendKit):
    net, updater, _ = softmax(backend)
    X, y = images_and_labels(8)
    batch = backend.batches((X, y))[0][0], backend.tensor(y + 0.5)
    loss = lambda y_hat, y: y_hat[:, 0] - y  # noqa: E731
    with pytest.raises(ValueError, match=r"y holds .*\.5, .* net\(X\) returns scores"):
        backend.d2l.train_epoch_ch3(net, [batch], loss, updater)
