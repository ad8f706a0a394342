"""Tests that readers' models and settings work as in the framework itself."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from test_training import assert_trained, images_and_labels, softmax, train

from frameworks import open_backend

# -- TensorFlow: Keras models with Keras losses are compiled, as in Keras --------


@pytest.fixture
def keras():
    return open_backend("tensorflow")


def model(keras, *more):
    """Return a model that adds losses, and a list with each call in training.

    The list says whether it ran eagerly.
    """
    tf, calls = keras.tf, []

    class Adding(tf.keras.layers.Layer):
        def call(self, X, training=None):
            if training:
                calls.append(tf.executing_eagerly())
            self.add_loss(0.1 * tf.reduce_mean(X**2))
            return X

    layers = tf.keras.layers
    hidden = layers.Dense(8, "relu", kernel_regularizer="l2", activity_regularizer="l2")
    net = tf.keras.Sequential(
        [layers.Flatten(), hidden, *more, layers.Dense(10), Adding()]
    )
    net.build((None, 28, 28, 1))
    rng = np.random.default_rng(4)
    net.set_weights([rng.normal(0, 0.1, w.shape) for w in net.get_weights()])
    calls.clear()
    return net, calls


def batches(keras):
    return keras.batches(*map(images_and_labels, (16, 16, 16, 5)))


@functools.cache
def fitted(optimizer: str) -> tuple[list[float], list[np.ndarray]]:
    """Return the losses and weights after two epochs of Keras's own training."""
    keras = open_backend("tensorflow")
    tf, (net, _) = keras.tf, model(keras)
    net.compile(getattr(tf.keras.optimizers, optimizer)(0.01), keras.loss("mean"))
    X, y = (tf.concat(part, 0) for part in zip(*batches(keras), strict=True))
    fit = net.fit(X, y, batch_size=16, shuffle=False, epochs=2, verbose=0)
    return fit.history["loss"], net.get_weights()


@pytest.mark.parametrize(
    "kind",
    ["SGD", "Adam", "mixed precision", "arrays", "eager", "own updater", "own loss"],
)
def test_a_keras_model_learns_as_in_keras(keras, kind, caplog):
    """The losses that it adds count too, whether a step is compiled or not."""
    (net, calls), tf, loss = model(keras), keras.tf, keras.loss("mean")
    updater = getattr(tf.keras.optimizers, "Adam" if kind == "Adam" else "SGD")(0.01)
    data, compiled = batches(keras), kind not in ("eager", "own updater", "own loss")
    net.run_eagerly = kind == "eager"
    if kind == "mixed precision":
        updater = tf.keras.optimizers.LossScaleOptimizer(updater)
    elif kind == "arrays":
        data = [(X.numpy(), y.numpy()) for X, y in data]
    elif kind == "own updater":
        updater = keras.own_updater(net.trainable_variables, 0.01)
    elif kind == "own loss":
        loss = lambda y_hat, y: keras.per_example(y_hat, y)  # noqa: E731
    history = keras.d2l.train_ch3(net, data, data, loss, 2, updater, draw=False)
    losses, weights = fitted("Adam" if kind == "Adam" else "SGD")
    assert history.train_loss == pytest.approx(losses, rel=1e-5)
    for a, b in zip(net.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
    # The first step makes variables. Then there is one trace per shape.
    assert calls == ([True, False, False] if compiled else [True] * 8)
    assert "retracing" not in caplog.text


def test_an_evaluation_sees_changes_in_a_model(keras):
    net, _ = model(keras)
    images, guesses = [X for X, _ in batches(keras)], []
    for activation in (net.layers[1].activation, lambda Z: 1.0 - Z):
        net.layers[1].activation = activation
        guesses.append([net(X).numpy().argmax(axis=1) for X in images])
        pairs = list(zip(images, guesses[-1], strict=True))
        assert keras.d2l.evaluate_accuracy(net, pairs) == 1
    assert not np.array_equal(guesses[0][0], guesses[1][0])


def test_a_wrong_label_is_reported_before_a_compiled_step(keras):
    (net, _), (first, second, *_) = model(keras), batches(keras)
    data, sgd = [first, (second[0], second[1] + 10)], keras.optimizer(net, 0.01)
    with pytest.raises(ValueError, match="y holds label 1"):
        keras.d2l.train_epoch_ch3(net, data, keras.loss("mean"), sgd)


def test_dropout_stays_random_in_a_compiled_step(keras):
    def losses():
        net, _ = model(keras, keras.tf.keras.layers.Dropout(0.5))
        arguments = net, batches(keras), keras.loss("mean"), keras.optimizer(net, 0.01)
        return [keras.d2l.train_epoch_ch3(*arguments)[0] for _ in range(2)]

    keras.d2l.set_seed(0)
    first = losses()
    assert losses() != first
    keras.d2l.set_seed(0)
    assert losses() == first


def test_an_optimizer_trains_a_plain_function(keras):
    net, _, read = softmax(keras)
    assert_trained(
        train(keras, net, keras.optimizer(None, 0.1)), read(), (images_and_labels(8))
    )
    with pytest.raises(TypeError, match="updater must be an optimizer"):
        train(keras, net, lambda batch_size: None)


def test_gradient_descent_takes_any_variable_rate_and_dtype(keras):
    tf, sgd = keras.tf, keras.d2l.sgd
    start, grads = np.random.default_rng(5).normal(size=(2, 4, 3))
    for dtype in ("float32", "float64", "float16"):
        for rate in (0.3, tf.constant(0.3, dtype), tf.Variable(0.3, dtype=dtype)):
            param = tf.Variable(start.astype(dtype))
            sgd([param], [tf.constant(grads, dtype)], rate, batch_size=7)
            error = 8 * np.finfo(dtype).eps
            expected = start - 0.3 * grads / 7
            np.testing.assert_allclose(param.numpy(), expected, error, error)
    of_keras, of_a_graph = tf.keras.Variable(np.ones(3)), tf.Variable(tf.ones(3))
    sgd([of_keras], [tf.ones(3)], 0.5, 4)
    np.testing.assert_array_equal(of_keras.numpy(), [0.875] * 3)
    descend = tf.function(lambda grad: sgd([of_a_graph], [grad], 0.5, 4))
    descend(tf.ones(3))
    descend(tf.ones(3))
    np.testing.assert_array_equal(of_a_graph.numpy(), [0.75] * 3)


# -- PyTorch ---------------------------------------------------------------------


def test_an_optimizer_may_evaluate_the_loss_several_times():
    """LBFGS does, and solves this problem in a few steps."""
    backend = open_backend("torch")
    torch, rng = backend.torch, np.random.default_rng(0)
    X = torch.tensor(rng.normal(size=(60, 4)), dtype=torch.float32)
    y = (X[:, 0] + 0.5 * torch.tensor(rng.normal(size=60)) > 0).long()
    net, loss = torch.nn.Linear(4, 2), backend.loss("none")
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5)
    for _ in range(5):
        backend.d2l.train_epoch_ch3(net, [(X, y)], loss, optimizer)
    gradient = torch.autograd.grad(loss(net(X), y).mean(), net.parameters())
    assert max(float(g.abs().max()) for g in gradient) < 1e-3
