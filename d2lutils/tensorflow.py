"""TensorFlow: ``from d2lutils import tensorflow as d2l``."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from d2lutils import require
from d2lutils.backend import Backend, Loss, Net, Step, check_scores
from d2lutils.fashion_mnist import get_fashion_mnist_labels  # noqa: F401
from d2lutils.metrics import *  # noqa: F403
from d2lutils.minibatches import get_dataloader_workers  # noqa: F401
from d2lutils.names import EVERYWHERE, Regression, aliases, missing
from d2lutils.plotting import *  # noqa: F403

# Keeps what it is given, and writes it to standard error unless all ended well.
KEEPER = """
import sys
text = sys.stdin.buffer.read()
if not text.endswith(b"imported"):
    sys.stderr.buffer.write(text)
"""


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Silence the C++ library, which greets on standard error, past Python.

    If it ends the process, as on a processor that it was not made for, another process
    still says why.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        stderr = os.dup(2)
        keeper = subprocess.Popen([sys.executable, "-ISc", KEEPER], stdin=-1)
    except OSError:  # a program without a standard error, or one that may start none
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


if "tensorflow" in sys.modules:  # it has greeted
    tf = require("tensorflow")
else:
    # PyTorch's CUDA build loads Triton when it first needs an optimizer. After
    # TensorFlow, that ends the process: both bring an LLVM.
    if importlib.util.find_spec("triton"):
        importlib.import_module("triton")
    with _without_greeting():
        tf = require("tensorflow")


class TensorFlowBackend(Backend):
    """What TensorFlow does in its own way."""

    channel_axis, label_dtype = 3, np.int32

    def from_numpy(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return tf.convert_to_tensor(X), tf.convert_to_tensor(y)

    def sum(self, losses: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(losses)

    def training_step(self, net: Net, loss: Loss, updater: Any) -> Step:
        is_optimizer = isinstance(updater, tf.keras.optimizers.Optimizer)
        if not is_optimizer and not hasattr(updater, "params"):
            raise TypeError(
                "updater must be an optimizer of tf.keras.optimizers or have the "
                f"attribute params, as d2l.Updater(params, lr) has; got {updater!r}"
            )
        is_model = isinstance(net, tf.keras.Model)
        labels_first = isinstance(loss, tf.keras.losses.Loss)
        seen: list[Any] = []  # by the first step: number of classes, parameters

        def forward_and_back(X: Any, y: Any, labels: Any = None) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                y_hat = net(X, training=True) if is_model else net(X)
                if labels is not None:
                    check_scores(y_hat, labels)
                losses = loss(y, y_hat) if labels_first else loss(y_hat, y)
                goal, total = self.objective(
                    losses, loss, y.shape[0], summed=not is_optimizer
                )
            if not is_optimizer:
                return total, y_hat, tape.gradient(goal, updater.params)
            trained = net.trainable_variables if is_model else tape.watched_variables()
            grads = tape.gradient(goal, trained)
            updater.apply_gradients(zip(grads, trained, strict=True))
            return total, y_hat, ()

        @functools.cache
        def compiled(*specs: tf.TensorSpec) -> Callable[..., tuple[Any, ...]]:
            return tf.function(symbolic, autograph=False).get_concrete_function(*specs)

        def symbolic(X: Any, y: Any) -> tuple[Any, ...]:
            found = forward_and_back(X, y)
            if is_model:
                with tf.init_scope():  # once, while the step is compiled
                    net(tf.zeros((1, *X.shape[1:]), X.dtype))  # see `inference`
            return found

        def step(X: Any, y: Any, labels: np.ndarray) -> tuple[Any, Any]:
            # The first step is eager in any case: it makes the variables of models
            # and optimizers that have none yet, and checks the scores.
            compile = _may_be_compiled(net) and _may_be_compiled(loss)
            params = [] if is_optimizer else [*map(id, updater.params)]
            if compile and seen[1:] == [params]:
                check_scores(tf.TensorSpec((len(labels), seen[0])), labels)
                batch = tf.convert_to_tensor(X), tf.convert_to_tensor(y)
                specs = (tf.TensorSpec(each.shape, each.dtype) for each in batch)
                total, y_hat, grads = compiled(*specs)(*batch)
            else:
                total, y_hat, grads = forward_and_back(X, y, labels)
                seen[:] = seen or [y_hat.shape[1], params]
            if not is_optimizer:
                updater(len(labels), grads)
            return total, y_hat

        return step

    @contextmanager
    def inference(self, net: Net) -> Iterator[Net]:
        if not isinstance(net, tf.keras.Model) or not _may_be_compiled(net):
            yield net
            return
        last = []

        def scores(X: Any) -> Any:
            last[:] = [X[:1]]
            return net.predict_on_batch(X)  # which Keras compiles, once per model

        yield scores
        # What a model keeps of its last call, as in net.losses, would else be symbols
        # of a graph, of no use to anybody.
        for X in last:
            net(X)

    def seed(self, seed: int) -> None:
        # Keras draws from generators of its own, which tf.random.set_seed misses.
        tf.keras.utils.set_random_seed(seed)

    def devices(self) -> tuple[list[tf.device], tf.device]:
        count = len(tf.config.list_physical_devices("GPU"))
        return [tf.device(f"/GPU:{i}") for i in range(count)], tf.device("/CPU:0")


def _may_be_compiled(part: Any) -> bool:
    """Whether Keras would compile it, or its author did, and nobody asks otherwise."""
    if tf.config.functions_run_eagerly() or getattr(part, "run_eagerly", False):
        return False
    function = tf.types.experimental.PolymorphicFunction
    return isinstance(part, (tf.keras.Model, tf.keras.losses.Loss, function))


def sgd(
    params: Iterable[tf.Variable],
    grads: Iterable[tf.Tensor],
    lr: float,
    batch_size: int,
) -> None:
    """Take one step of minibatch stochastic gradient descent.

    Each parameter moves by ``-lr / batch_size`` times its gradient, which must be
    that of the **summed** loss.

    Args:
        params: Variables; changed in place.
        grads: Their gradients, in the same order.
        lr, batch_size: Learning rate; number of examples behind the gradients.

    Raises:
        ValueError: There are not as many gradients as parameters.
    """
    rate = lr / batch_size
    for param, grad in zip(params, grads, strict=True):
        if isinstance(param, tf.Variable) and isinstance(grad, tf.Tensor):
            # One operation, in place: multiplying, dividing and subtracting one after
            # the other takes five times as long, a quarter of a training step.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=param.handle,
                alpha=tf.convert_to_tensor(rate, grad.dtype),
                delta=grad,
            )
        else:
            param.assign_sub(rate * grad)


class Updater:
    """Minibatch stochastic gradient descent on fixed parameters.

    Args:
        params: The variables to train.
        lr: Learning rate.
    """

    def __init__(self, params: Sequence[tf.Variable], lr: float) -> None:
        self.params = params
        self.lr = lr

    def __call__(self, batch_size: int, grads: Iterable[tf.Tensor]) -> None:
        """Take one step; see :func:`sgd`."""
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

_regression = Regression(
    _backend,
    reshape=tf.reshape,
    normal=lambda scale, shape: tf.random.normal(shape, stddev=scale),
)
synthetic_data = _regression.synthetic_data
linreg = _regression.linreg
squared_loss = _regression.squared_loss
evaluate_loss = _regression.evaluate_loss


def load_array(
    data_arrays: Sequence[tf.Tensor], batch_size: int, is_train: bool = True
) -> tf.data.Dataset:
    """Return a data set of TensorFlow's, minibatches of tensors, ``(n, ...)`` each.

    Args:
        data_arrays: Such as features and targets.
        batch_size: Examples per batch; the last holds what is left.
        is_train: Whether each pass draws a new order.
    """
    dataset = tf.data.Dataset.from_tensor_slices(tuple(data_arrays))
    if is_train:
        dataset = dataset.shuffle(len(data_arrays[0]))
    return dataset.batch(batch_size)
