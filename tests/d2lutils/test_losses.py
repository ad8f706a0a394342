"""What a loss may return and how it is told; regression; in every framework."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from test_backend import (
    B0,
    W0,
    images_and_labels,
    one_number,
    per_example,
    softmax_step,
)

from frameworks import BackendKit

LR = 0.01


# -- regression ----------------------------------------------------------------


def regression(n: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images, targets, and parameters that predict 1 exactly."""
    X, _ = images_and_labels(n)
    y = np.where(np.arange(n) % 3 == 0, 1.0, 2.5)
    return X, y, np.zeros((784, 1)), np.ones(1)


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
@pytest.mark.parametrize("how", ["own", "layer"])
def test_one_column_is_trained_and_counted(backend: BackendKit, how, shape):
    X, y, W, b = regression()
    images = backend.batches((X, np.zeros(6)))[0][0]
    batch = images, backend.tensor(y.reshape(shape))
    if how == "own":
        params = backend.parameters(W, b)
        net, updater = backend.affine(*params), backend.own_updater(params, LR)
        loss = lambda y_hat, y: (y_hat - y.reshape(y_hat.shape)) ** 2  # noqa: E731
        if backend.name == "tensorflow":
            loss = lambda y_hat, y: (y_hat - backend.tf.reshape(y, (6, 1))) ** 2  # noqa: E731
    else:
        net = backend.layer(W, b)
        updater, loss = backend.optimizer(net, LR), backend.squared_error()
        if shape == (6,) and backend.name in ("torch", "jax"):
            pytest.skip("their losses want targets of the shape of the predictions")
    # Two of six predictions are the target.
    assert backend.d2l.evaluate_accuracy(net, [batch]) == 2 / 6
    mean, rate = backend.d2l.train_epoch_ch3(net, [batch], loss, updater)
    assert (mean, rate) == pytest.approx((1.5**2 * 4 / 6, 2 / 6))
    gradient = 2 * (1 - y) / 6
    if how == "own":
        W_found, b_found = (backend.numpy(param) for param in params)
    else:
        W_found, b_found = backend.layer_weights(net)
    found = W_found[:, 0], b_found[0]
    np.testing.assert_allclose(found[0], -LR * gradient @ X.reshape(6, -1), atol=1e-6)
    assert found[1] == pytest.approx(1 - LR * gradient.sum())


@pytest.mark.parametrize(
    ("single", "said"),
    [(False, r"it returned shape \(6, 6\)\. \(It is a square matrix"),
     (True, r"has shape \(6, 1\), but y has shape \(6,\)\. Their difference")],
)  # fmt: skip
def test_a_square_of_predictions_and_targets_is_named(
    backend: BackendKit, single, said
):
    X, y, W, b = regression()
    params = backend.parameters(W, b)

    def loss(y_hat, y):
        square = (y_hat - y) ** 2
        return backend.total(square) / 36 if single else square

    loss.reduction = "mean"
    batch = backend.batches((X, np.zeros(6)))[0][0], backend.tensor(y)
    arguments = backend.affine(*params), [batch], loss, backend.own_updater(params, LR)
    with pytest.raises(ValueError, match=said):
        backend.d2l.train_epoch_ch3(*arguments)


def test_accuracy_compares_one_column_in_the_type_of_the_targets(backend: BackendKit):
    y_hat = backend.tensor([[0.0], [1.5], [2.0]])
    for shape in [(3,), (3, 1)]:
        real = backend.tensor(np.reshape([0, 1, 2], shape))
        whole = backend.tensor(np.reshape([0, 1, 2], shape), backend.label_dtype)
        assert backend.d2l.accuracy(y_hat, real) == 2
        assert backend.d2l.accuracy(y_hat, whole) == 3  # 1.5 is 1 there


def test_targets_that_are_no_classes_are_named(backend: BackendKit):
    params = backend.parameters(W0, B0)
    X, y = images_and_labels(8)
    batch = backend.batches((X, y))[0][0], backend.tensor(y + 0.5)
    with pytest.raises(
        ValueError, match=r"which isn't a class, but net\(X\) returns sc"
    ):
        backend.d2l.train_epoch_ch3(
            backend.affine(*params),
            [batch],
            lambda y_hat, y: y_hat[:, 0] - y,
            backend.own_updater(params, LR),
        )


# -- the shape of a loss -------------------------------------------------------


def updaters(backend: BackendKit, kind: str):
    """A softmax regression, its updater, and what reads its parameters."""
    if kind == "own":
        params = backend.parameters(W0, B0)
        read = lambda: [backend.numpy(param) for param in params]  # noqa: E731
        return backend.affine(*params), backend.own_updater(params, 0.1), read
    net = backend.layer(W0, B0)
    return net, backend.optimizer(net, 0.1), lambda: backend.layer_weights(net)


WRONG = {
    "(1,)": lambda backend, y_hat, y: per_example(backend, y_hat, y)[:1],
    "(5,)": lambda backend, y_hat, y: per_example(backend, y_hat, y)[:5],
    "(8, 10)": lambda backend, y_hat, y: y_hat,
}


@pytest.mark.parametrize("shape", WRONG)
@pytest.mark.parametrize("kind", ["own", "optimizer"])
def test_a_loss_of_another_shape_is_named(backend: BackendKit, kind, shape):
    net, updater, read = updaters(backend, kind)
    batches = backend.batches(images_and_labels(8))
    with pytest.raises(ValueError, match=r"of shape \(8,\) or \(8, 1\), or") as error:
        backend.d2l.train_epoch_ch3(
            net, batches, partial(WRONG[shape], backend), updater
        )
    assert f"returned shape {shape}." in str(error.value)
    np.testing.assert_array_equal(read()[0], W0.astype(np.float32))


def test_a_loss_that_is_no_tensor_is_named(backend: BackendKit):
    net, updater, _ = updaters(backend, "own")
    batches = backend.batches(images_and_labels(8))
    with pytest.raises(TypeError, match=r"loss must return a tensor, got 0\.5"):
        backend.d2l.train_epoch_ch3(net, batches, lambda y_hat, y: 0.5, updater)


# -- a loss that is one number -------------------------------------------------


@pytest.mark.parametrize("kind", ["own", "optimizer"])
@pytest.mark.parametrize("said", ["unsaid", "unsaid, bound"])
def test_a_single_number_is_never_guessed(backend: BackendKit, kind, said):
    net, updater, read = updaters(backend, kind)
    loss = one_number(backend, said)
    batches = backend.batches(images_and_labels(8))
    with pytest.raises(ValueError, match=r"loss returned one number .*\.reduction"):
        backend.d2l.train_epoch_ch3(net, batches, loss, updater)
    np.testing.assert_array_equal(read()[0], W0.astype(np.float32))
    # Of one example the sum is the mean.
    X, y = images_and_labels(1)
    mean, _ = backend.d2l.train_epoch_ch3(net, backend.batches((X, y)), loss, updater)
    assert mean == pytest.approx(softmax_step(W0, B0, X, y, 0.1)[2], rel=1e-5)
