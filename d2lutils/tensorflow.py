"""TensorFlow: ``from d2lutils import tensorflow as d2l``."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from d2lutils import require
from d2lutils.arguments import EMPTY, check_gradients
from d2lutils.backend import Backend, Batches, Loss, Net, Step, check_scores
from d2lutils.names import *  # noqa: F403
from d2lutils.names import EVERYWHERE, aliases, missing

# Collects its input, and writes that to standard error unless the import succeeded.
KEEPER = """
import sys
text = sys.stdin.buffer.read()
if not text.endswith(b"imported"):
    sys.stderr.buffer.write(text)
"""


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Silence the C++ library, which writes to standard error behind Python's back.

    If it ends the process, as on a processor that it wasn't built for, another process
    still shows why.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        stderr = os.dup(2)
        keeper = subprocess.Popen([sys.executable, "-ISc", KEEPER], stdin=-1)
    except OSError:  # no standard error, or no right to start a process
        yield
        return
    os.dup2(keeper.stdin.fileno(), 2)
    try:
        yield
        os.write(2, b"imported")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        keeper.communicate()


if "tensorflow" in sys.modules:  # it has said its piece
    tf = require("tensorflow")
else:
    # PyTorch's CUDA build loads Triton when it first needs an optimizer. If TensorFlow
    # is loaded by then, that ends the process, because both bring an LLVM.
    if importlib.util.find_spec("triton"):
        importlib.import_module("triton")
    with _without_greeting():
        tf = require("tensorflow")


class TensorFlowBackend(Backend):
    """The parts of the library that TensorFlow does differently."""

    channel_axis, label_dtype = 3, np.int32

    def from_numpy(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return tf.convert_to_tensor(X), tf.convert_to_tensor(y)

    def sum(self, losses: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(losses)

    def labels_first(self, loss: Loss) -> bool:
        return isinstance(loss, tf.keras.losses.Loss)

    def training_step(self, net: Net, loss: Loss, updater: Any) -> Step:
        is_optimizer = isinstance(updater, tf.keras.optimizers.Optimizer)
        if not is_optimizer and not hasattr(updater, "params"):
            raise TypeError(
                "updater must be an optimizer of tf.keras.optimizers or have the "
                f"attribute params, as d2l.Updater(params, lr) does, got {updater!r}"
            )
        is_layer = isinstance(net, tf.keras.layers.Layer)

        def as_written(X: Any, y: Any, labels: np.ndarray) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                y_hat = net(X, training=True) if is_layer else net(X)
                check_scores(y_hat, labels)
                added = map(tf.reduce_sum, net.losses if is_layer else ())
                goal, total = self.objective(loss, y_hat, y, not is_optimizer, added)
                if is_optimizer:  # in mixed precision it divides the gradients again
                    goal = updater.scale_loss(goal)
            if is_optimizer:
                trained = (
                    net.trainable_variables if is_layer else tape.watched_variables()
                )
                grads = tape.gradient(goal, trained)
                updater.apply_gradients(zip(grads, trained, strict=True))
            else:
                updater(len(labels), tape.gradient(goal, updater.params))
            return total, y_hat

        all_keras = is_layer and is_optimizer and self.labels_first(loss)
        eager = tf.config.functions_run_eagerly() or getattr(net, "run_eagerly", False)
        if eager or not all_keras:
            return as_written

        @tf.function(autograph=False)
        def symbolic(X: Any, y: Any) -> tuple[Any, Any]:
            return as_written(X, y, np.zeros(y.shape, y.dtype.as_numpy_dtype))

        # One per shape, because the last batch is smaller. Calling `symbolic` itself
        # would make TensorFlow warn after many short training runs.
        compiled = functools.cache(symbolic.get_concrete_function)
        classes: list[int] = []  # found in the first step

        def step(X: Any, y: Any, labels: np.ndarray) -> tuple[Any, Any]:
            if not classes:  # layers without variables make them now
                total, y_hat = as_written(X, y, labels)
                classes.extend(y_hat.shape[1:])
                return total, y_hat
            check_scores(tf.TensorSpec((len(labels), *classes)), labels)
            batch = tf.convert_to_tensor(X), tf.convert_to_tensor(y)
            return compiled(*map(tf.TensorSpec.from_tensor, batch))(*batch)

        return step

    def inference(self, net: Net) -> AbstractContextManager[Net]:
        if isinstance(net, tf.keras.layers.Layer):
            net = functools.partial(net, training=False)
        return nullcontext(net)

    def seed(self, seed: int) -> None:
        # tf.random.set_seed misses Keras' own generators.
        tf.keras.utils.set_random_seed(seed)

    def draw_seed(self) -> int:
        return int(tf.random.uniform((), maxval=2**31 - 1, dtype=tf.int32))

    def reshape(self, tensor: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
        return tf.reshape(tensor, shape)

    def normal(self, scale: float, shape: tuple[int, ...]) -> tf.Tensor:
        return tf.random.normal(shape, stddev=scale)

    def loader(self, arrays: Sequence[Any], batch_size: int, shuffle: bool) -> Batches:
        dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays))
        if shuffle:
            dataset = dataset.shuffle(len(arrays[0]))
        return dataset.batch(batch_size)

    def devices(self) -> tuple[list[tf.device], tf.device]:
        count = len(tf.config.list_physical_devices("GPU"))
        return [tf.device(f"/GPU:{i}") for i in range(count)], tf.device("/CPU:0")


def sgd(
    params: Iterable[Any], grads: Iterable[Any], lr: float, batch_size: int
) -> None:
    """Take one step of minibatch stochastic gradient descent.

    Each parameter moves by ``-lr / batch_size`` times the gradient of the **summed**
    loss.

    Args:
        params, grads: Variables, which are changed in place, and their gradients in
            the same order.
        lr, batch_size: Learning rate, and the number of examples in the batch.

    Raises:
        ValueError: There are more or fewer gradients than parameters, or one is None,
            or there are no parameters.
    """
    params = list(params)
    check_gradients(EMPTY, *params)
    rate = lr / batch_size
    for param, grad in zip(params, grads, strict=True):
        check_gradients(f"A parameter of shape {param.shape}", grad)
        if isinstance(param, tf.Variable) and isinstance(grad, tf.Tensor):
            # One operation, in place. Dividing, multiplying and subtracting in turn
            # takes five times as long, a quarter of a training step.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=param.handle,
                alpha=tf.convert_to_tensor(rate, grad.dtype),
                delta=grad,
            )
        else:
            param.assign_sub(rate * grad)


class Updater:
    """Minibatch stochastic gradient descent on ``params`` with learning rate ``lr``."""

    def __init__(self, params: Sequence[tf.Variable], lr: float) -> None:
        self.params = params
        self.lr = lr

    def __call__(self, batch_size: int, grads: Iterable[tf.Tensor]) -> None:
        """Take one step. See :func:`sgd`."""
        sgd(self.params, grads, self.lr, batch_size)


_backend = TensorFlowBackend()
load_data_fashion_mnist = _backend.load_data_fashion_mnist
accuracy = _backend.accuracy
evaluate_accuracy = _backend.evaluate_accuracy
predict_ch3 = _backend.predict_ch3
train_epoch_ch3 = _backend.train_epoch_ch3
train_ch3 = _backend.train_ch3
set_seed = _backend.set_seed
try_gpu = _backend.try_gpu
try_all_gpus = _backend.try_all_gpus
synthetic_data = _backend.synthetic_data
linreg = _backend.linreg
squared_loss = _backend.squared_loss
evaluate_loss = _backend.evaluate_loss
load_array = _backend.load_array

_aliases = aliases(
    tf,
    arange=tf.range,
    astype=tf.cast,
    log=tf.math.log,
    normal=tf.random.normal,
    rand=tf.random.uniform,
    tensor=tf.constant,
)
globals().update(_aliases)
__all__ = [*EVERYWHERE, "Updater", *_aliases]
__getattr__, __dir__ = missing(__name__, __all__)
