"""Tests that readers' code runs as written, even where d2lutils is optimized."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from frameworks import open_backend

# -- TensorFlow: plain functions run eagerly, batch by batch ---------------------

PLAIN = """
    def relu(X):
        return tf.maximum(X, 0)

    def net(X):
        X = tf.reshape(X, (-1, 784))
        return tf.matmul(relu(tf.matmul(X, W1) + b1), W2) + b2

    def loss(y_hat, y):
        return tf.keras.losses.sparse_categorical_crossentropy(
            y, y_hat, from_logits=True)

    mlp = net
"""


class Reader:
    """The names in a reader's notebook, with the parameters of an MLP and batches."""

    def __init__(self, code: str = PLAIN, num_batches: int = 6, last: int = 16):
        self.backend = open_backend("tensorflow")
        self.d2l, self.tf = self.backend.d2l, self.backend.tf
        self.names = {"tf": self.tf, "d2l": self.d2l, "np": np}
        rng = np.random.default_rng(1)
        shapes = [(784, 32), (32,), (32, 10), (10,)]
        params = self.backend.parameters(*(rng.normal(0, 0.1, s) for s in shapes))
        self.names |= dict(zip(("W1", "b1", "W2", "b2"), params, strict=True))
        self.updater = self.d2l.Updater(params, 0.1)
        self.run(PLAIN)
        self.run(code)
        rng = np.random.default_rng(2)
        sizes = [16] * (num_batches - 1) + [last]
        self.batches = self.backend.batches(
            *((rng.random((n, 28, 28)), rng.integers(0, 10, n)) for n in sizes)
        )

    def __getitem__(self, name: str):
        return self.names[name]

    def run(self, code: str) -> None:
        """Run a cell."""
        exec(compile(textwrap.dedent(code), "<cell>", "exec"), self.names)

    def epoch(self) -> tuple[float, float]:
        return self.d2l.train_epoch_ch3(
            self["net"], self.batches, self["loss"], self.updater
        )

    def train(self, num_epochs: int) -> list[float]:
        arguments = self["net"], self.batches, self.batches, self["loss"]
        return self.d2l.train_ch3(*arguments, num_epochs, self.updater).train_loss

    def by_hand(self) -> tuple[float, float]:
        """Train for an epoch with a plain loop, as a reader would write it."""
        tf, total, right, count = self.tf, 0.0, 0, 0
        for X, y in self.batches:
            with tf.GradientTape() as tape:
                y_hat = self["net"](X)
                losses = self["loss"](y_hat, y)
            grads = tape.gradient(losses, self.updater.params)
            self.updater(len(y), grads)
            total += float(tf.reduce_sum(losses))
            right += int((y_hat.numpy().argmax(axis=1) == y.numpy()).sum())
            count += len(y)
        return total / count, right / count

    def parameters(self) -> list[np.ndarray]:
        return [p.numpy() for p in self.updater.params]


WRITTEN = {
    "print": """
        def net(X):
            print("here")
            return mlp(X)
    """,
    "a branch on data": """
        def net(X):
            if tf.reduce_sum(X) > 6270:
                return mlp(X)
            return 2 * mlp(X)
    """,
    "a global": """
        calls = 0
        def net(X):
            global calls
            calls = calls + 1
            return mlp(X) * float(calls)
    """,
    "a loss that keeps state": """
        seen = []
        def loss(y_hat, y):
            seen.append(1)
            return len(seen) * tf.nn.sparse_softmax_cross_entropy_with_logits(y, y_hat)
    """,
    "NumPy": """
        def net(X):
            return mlp(X) * float(X.numpy().mean())
    """,
}


@pytest.mark.parametrize("code", WRITTEN.values(), ids=WRITTEN)
def test_plain_functions_run_as_written(code, capfd):
    expected = Reader(code)
    figures = expected.by_hand()
    words = capfd.readouterr()
    reader = Reader(code)
    assert reader.epoch() == pytest.approx(figures, rel=1e-6)
    for found, by_hand in zip(reader.parameters(), expected.parameters(), strict=True):
        np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-6)
    assert capfd.readouterr() == words
    said = words.out.count("here") + words.err.count("here")
    assert said == (6 if "here" in code else 0)


# -- TensorFlow: Keras models with Keras losses are compiled, as in Keras --------

KERAS = """
    calls = []
    class Counting(tf.keras.layers.Layer):
        def call(self, X):
            calls.append(tf.executing_eagerly())
            return X
    layers = tf.keras.layers
    net = tf.keras.Sequential([layers.Flatten(), Counting(),
        layers.Dense(8, activation="relu", activity_regularizer="l2"),
        layers.Dense(10)])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
"""


def keras_reader(code: str = KERAS, optimizer: str = "SGD", **options) -> Reader:
    reader = Reader(code, **options)
    reader["net"].build((None, 28, 28, 1))
    rng = np.random.default_rng(4)
    weights = [rng.normal(0, 0.1, w.shape) for w in reader["net"].get_weights()]
    reader["net"].set_weights(weights)
    reader.updater = getattr(reader.tf.keras.optimizers, optimizer)(0.01)
    return reader


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_compiled_model_learns_the_same(optimizer, caplog):
    results = []
    for eager in (True, False):
        reader = keras_reader(optimizer=optimizer, last=5)
        reader.tf.config.run_functions_eagerly(eager)
        try:
            figures = reader.epoch(), reader.epoch()
        finally:
            reader.tf.config.run_functions_eagerly(False)
        results.append((figures, reader["net"].get_weights(), reader["calls"]))
    (figures, weights, calls), (compiled, compiled_weights, traces) = results
    np.testing.assert_allclose(compiled, figures, rtol=1e-6)
    for a, b in zip(weights, compiled_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    assert calls[-12:] == [True] * 12  # eagerly, as we asked for
    # One trace builds the model, and each epoch needs one per batch shape.
    assert traces.count(False) == 5
    assert "retracing" not in caplog.text


def test_a_training_run_compiles_once():
    reader = keras_reader()
    reader.train(4)
    # Keras makes its own symbolic calls to build a model.
    before = reader["calls"].count(False)
    assert before <= 3
    reader.train(4)
    assert reader["calls"].count(False) == before + 1


PLAIN_LOSS = """
    calls = []
    def loss(y_hat, y):
        calls.append(tf.executing_eagerly())
        return tf.keras.losses.sparse_categorical_crossentropy(
            y, y_hat, from_logits=True)
"""


@pytest.mark.parametrize("code", [KERAS + PLAIN_LOSS, KERAS])
def test_plain_losses_and_eager_models_run_eagerly(code):
    reader = keras_reader(code)
    reader["net"].run_eagerly = code == KERAS
    reader.epoch()
    assert reader["calls"][-6:] == [True] * 6


@pytest.mark.parametrize("optimizer", ["SGD", "LossScaleOptimizer", "own updater"])
def test_losses_added_by_a_model_are_minimized_and_reported(optimizer):
    """Weight, activity and other losses count as in Keras's ``fit``."""
    code = """
        class Adding(tf.keras.layers.Layer):
            def call(self, X):
                self.add_loss(0.1 * tf.reduce_mean(X ** 2))
                return X
        layers = tf.keras.layers
        net = tf.keras.Sequential([layers.Flatten(), layers.Dense(
            10, kernel_regularizer="l2", activity_regularizer="l2"), Adding()])
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    """
    ours, theirs = keras_reader(code), keras_reader(code)
    tf, net = theirs.tf, theirs["net"]
    if optimizer == "LossScaleOptimizer":
        sgd = tf.keras.optimizers.SGD(0.01)
        ours.updater = tf.keras.optimizers.LossScaleOptimizer(sgd)
    elif optimizer == "own updater":
        ours.updater = ours.d2l.Updater(ours["net"].trainable_variables, 0.01)
    net.compile(tf.keras.optimizers.SGD(0.01), theirs["loss"])
    X, y = (tf.concat(part, 0) for part in zip(*theirs.batches, strict=True))
    fit = net.fit(X, y, batch_size=16, shuffle=False, epochs=2, verbose=0)
    found = [ours.epoch()[0] for _ in range(2)]
    assert found == pytest.approx(fit.history["loss"], rel=1e-5)
    for a, b in zip(ours["net"].get_weights(), net.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_an_evaluation_sees_changes_in_a_model():
    reader = keras_reader()
    net, evaluate = reader["net"], reader.d2l.evaluate_accuracy
    images = [X for X, _ in reader.batches]
    before = [net(X).numpy().argmax(axis=1) for X in images]
    assert evaluate(net, list(zip(images, before, strict=True))) == 1
    net.layers[2].activation = lambda Z: 1.0 - Z
    after = [net(X).numpy().argmax(axis=1) for X in images]
    assert not np.array_equal(before, after)
    assert evaluate(net, list(zip(images, after, strict=True))) == 1


def test_a_wrong_label_is_reported_before_a_compiled_step():
    reader = keras_reader()
    X, y = reader.batches[4]
    reader.batches[4] = X, y + 10
    with pytest.raises(ValueError, match="y holds label 1"):
        reader.epoch()


def test_dropout_stays_random_in_a_compiled_step():
    code = KERAS.replace("layers.Flatten(),", "layers.Flatten(), layers.Dropout(0.5),")
    set_seed = open_backend("tensorflow").d2l.set_seed
    set_seed(0)
    first = keras_reader(code).train(2)
    set_seed(0)
    assert keras_reader(code).train(2) == first
    assert keras_reader(code).train(2) != first


def test_batches_may_be_numpy_arrays():
    expected, reader = Reader(), Reader()
    figures = expected.epoch()
    reader.batches = [(X.numpy(), y.numpy()) for X, y in reader.batches]
    assert reader.epoch() == pytest.approx(figures, rel=1e-6)
    compiled, arrays = keras_reader(), keras_reader()
    figures = compiled.train(2)
    arrays.batches = [(X.numpy(), y.numpy()) for X, y in arrays.batches]
    assert arrays.train(2) == pytest.approx(figures, rel=1e-6)


# -- TensorFlow: gradient descent in one operation -------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("rate", ["float", "tensor", "variable"])
def test_fused_gradient_descent_equals_three_operations(rate, dtype):
    backend = open_backend("tensorflow")
    tf = backend.tf
    lr = {
        "float": 0.3,
        "tensor": tf.constant(0.3, dtype),
        "variable": tf.Variable(0.3, dtype=dtype),
    }[rate]
    rng = np.random.default_rng(5)
    start, grads = rng.normal(size=(2, 4, 3)).astype(dtype)
    param = tf.Variable(start)
    backend.d2l.sgd([param], [tf.constant(grads)], lr, batch_size=7)
    np.testing.assert_allclose(
        param.numpy(), start - 0.3 * grads / 7, rtol=4 * np.finfo(dtype).eps
    )
    assert not np.array_equal(param.numpy(), start)


def test_gradient_descent_accepts_keras_variables_and_graphs():
    backend = open_backend("tensorflow")
    tf, sgd = backend.tf, backend.d2l.sgd
    of_keras, of_a_graph = tf.keras.Variable(np.ones(3)), tf.Variable(tf.ones(3))
    sgd([of_keras], [tf.ones(3)], 0.5, 4)
    descend = tf.function(lambda grad: sgd([of_a_graph], [grad], 0.5, 4))
    descend(tf.ones(3))
    descend(tf.ones(3))
    np.testing.assert_array_equal(of_keras.numpy(), [0.875] * 3)
    np.testing.assert_array_equal(of_a_graph.numpy(), [0.75] * 3)


# -- PyTorch: the reader's settings ----------------------------------------------


def test_the_readers_precision_setting_is_kept():
    backend = open_backend("torch")
    torch, seen = backend.torch, []
    (W,) = backend.parameters(np.zeros((4, 3)))
    before = torch.get_float32_matmul_precision()

    def net(X):
        seen.append(torch.get_float32_matmul_precision())
        return X @ W

    batches, loss = [(torch.ones(2, 4), torch.tensor([0, 2]))], backend.loss("none")
    backend.d2l.train_epoch_ch3(net, batches, loss, torch.optim.SGD([W], lr=0.1))
    backend.d2l.evaluate_accuracy(net, batches)
    assert seen == [before] * 2


def test_an_optimizer_may_evaluate_the_loss_several_times():
    """LBFGS does, and solves this problem in a few steps."""
    torch = open_backend("torch").torch
    d2l = open_backend("torch").d2l
    rng = np.random.default_rng(0)
    X = torch.tensor(rng.normal(size=(60, 4)), dtype=torch.float32)
    y = (X[:, 0] + 0.5 * torch.tensor(rng.normal(size=60)) > 0).long()
    net, calls = torch.nn.Linear(4, 2), []
    net.register_forward_hook(lambda *_: calls.append(1))
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5)
    loss = torch.nn.CrossEntropyLoss(reduction="none")
    figures = [d2l.train_epoch_ch3(net, [(X, y)], loss, optimizer) for _ in range(5)]
    assert len(calls) > 10
    assert figures[-1][0] < 0.6 * figures[0][0]
    gradient = torch.autograd.grad(loss(net(X), y).mean(), net.parameters())
    assert max(float(g.abs().max()) for g in gradient) < 1e-3


# -- MXNet: settings made before its import --------------------------------------


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2 fma", True), ("fpu avx fma", False), (None, False)],
)
def test_avx2_is_read_from_the_processor_flags(monkeypatch, flags, expected):
    module = open_backend("mxnet").d2l

    def read(path):
        if flags is None:
            raise FileNotFoundError(path)
        return f"flags\t\t: {flags}\n"

    monkeypatch.setattr(Path, "read_text", read)
    assert module._has_avx2() is expected


CORE_NAMES = """
import ctypes, os, pathlib, mxnet
path = pathlib.Path(mxnet.__file__).parent / "libopenblas.so.0"
name = ctypes.CDLL(str(path)).openblas_get_corename
name.restype = ctypes.c_char_p
print(name().decode(), os.environ.get("OPENBLAS_CORETYPE"))
"""


@pytest.mark.parametrize(
    ("first", "chosen"), [("d2lutils", None), ("mxnet", None), (None, "SANDYBRIDGE")]
)
def test_mxnets_openblas_uses_the_chosen_kernels(first, chosen):
    """The user's choice wins, and so does MXNet's if it was imported first."""
    module = open_backend("mxnet").d2l
    if not module._has_avx2():
        pytest.skip("this processor has no AVX2, or its flags cannot be read")
    if not (Path(module.mxnet.__file__).parent / "libopenblas.so.0").exists():
        pytest.skip("this build of MXNet contains no OpenBLAS")
    imports = ["from d2lutils import mxnet as d2l", "from mxnet import np, npx"]
    if first == "mxnet":
        imports.reverse()
    environment = {k: v for k, v in os.environ.items() if "OPENBLAS" not in k}
    if chosen:
        environment["OPENBLAS_CORETYPE"] = chosen
    result = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, CORE_NAMES])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    core, left_behind = result.stdout.split()
    assert left_behind == str(chosen)
    if first == "d2lutils":
        assert core == "Haswell"
