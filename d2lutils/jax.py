"""JAX: ``from d2lutils import jax as d2l``.

JAX wants *pure* functions, whose results depend on their arguments alone. So a model is
a function ``net(params, X)``, where ``params`` holds arrays of floats in any pytree. A
function that takes ``net`` in the other frameworks takes ``net`` and ``params`` here,
and training returns new parameters.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from d2lutils import require
from d2lutils.arguments import check_function, check_whole
from d2lutils.backend import Backend, Batches, Loss, Net, Step, check_scores
from d2lutils.names import *  # noqa: F403
from d2lutils.names import EVERYWHERE, aliases, method, missing

# If TensorFlow is imported later, its log level is the one set for JAX's C++ library.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
jax = require("jax")
jnp = jax.numpy
# With the default since JAX 0.5, a key gives the same numbers in every release.
jax.config.update("jax_threefry_partitionable", True)


def _check_params(params: Any) -> Any:
    for leaf in jax.tree_util.tree_leaves(params) or [params]:
        if not jnp.issubdtype(getattr(leaf, "dtype", int), jnp.floating):
            raise TypeError(
                f"params must be a pytree of float arrays, but it holds {leaf!r}"
            )
    return params


class _Model:
    """A function of ``X``, with parameters, the state of an optimizer, and a key."""

    def __init__(
        self, net: Net, params: Any, state: Any = None, key: Any = None
    ) -> None:
        needs = "net(params, X)" if key is None else "net(params, X, key=None)"
        try:
            inspect.signature(net).bind(params, None)
            inspect.signature(net).bind(params, None, **_given(key))
        except TypeError as error:
            raise TypeError(
                f"net must be a function {needs} ({error}). Bind its other arguments "
                "with functools.partial"
            ) from None
        self.net, self.params, self.state = net, _check_params(params), state
        self.key = key
        # Not jit(net), which would reuse what another model's `net` was compiled to.
        self.forward = jax.jit(lambda params, X: net(params, X))

    def __call__(self, X: Any) -> Any:
        return self.forward(self.params, X)


def _given(key: Any) -> dict[str, Any]:
    return {} if key is None else {"key": key}


class _Loader:
    """Minibatches of arrays, to iterate over as often as you like."""

    def __init__(self, arrays: Sequence[Any], batch_size: int, shuffle: bool) -> None:
        self.arrays = [np.asarray(each) for each in arrays]
        self.batch_size = check_whole("batch_size", batch_size, least=1)
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[jax.Array, ...]]:
        n = len(self.arrays[0])
        order = np.random.permutation(n) if self.shuffle else np.arange(n)
        for start in range(0, n, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield tuple(jnp.asarray(each[rows]) for each in self.arrays)


class JaxBackend(Backend):
    """The parts of the library that JAX does differently."""

    channel_axis, label_dtype = 3, np.int32

    def from_numpy(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return jnp.asarray(X), jnp.asarray(y)

    def training_step(self, net: _Model, loss: Loss, updater: Any) -> Step:
        is_optimizer = hasattr(updater, "init") and hasattr(updater, "update")
        if is_optimizer and net.state is None:
            net.state = updater.init(net.params)
        elif not is_optimizer:
            check_function("updater", updater, "an optimizer of Optax or a function")

        def objective(params: Any, key: Any, X: Any, y: Any) -> tuple[Any, Any]:
            y_hat = net.net(params, X, **_given(key))
            check_scores(y_hat, np.zeros(y.shape, y.dtype))  # its shape
            goal, total = self.objective(loss, y_hat, y, summed=not is_optimizer)
            return goal, (total, y_hat)

        @jax.jit
        def update(params: Any, state: Any, key: Any, X: Any, y: Any) -> tuple:
            key, new = (None, None) if key is None else jax.random.split(key)
            grads, found = jax.grad(objective, has_aux=True)(params, new, X, y)
            if is_optimizer:
                steps, state = updater.update(grads, state, params)
                params = jax.tree_util.tree_map(jnp.add, params, steps)
            else:
                params = updater(params, grads, batch_size=len(y))
            return _check_params(params), state, key, *found

        def step(X: Any, y: Any, labels: np.ndarray) -> tuple[Any, Any]:
            *new, total, y_hat = update(net.params, net.state, net.key, X, y)
            check_scores(y_hat, labels)
            net.params, net.state, net.key = new
            return total, y_hat

        return step

    def seed(self, seed: int) -> None:
        pass  # JAX has no generator: you pass a key to draw numbers

    def draw_seed(self) -> int:
        return np.random.randint(2**31)

    def loader(self, arrays: Sequence[Any], batch_size: int, shuffle: bool) -> _Loader:
        return _Loader(arrays, batch_size, shuffle)

    def devices(self) -> tuple[list[jax.Device], jax.Device]:
        kinds = ("gpu", "metal")  # the second is Apple's
        gpus = [each for each in jax.devices() if each.platform.lower() in kinds]
        return gpus, jax.devices("cpu")[0]


_backend = JaxBackend()
load_data_fashion_mnist = _backend.load_data_fashion_mnist
accuracy = _backend.accuracy
set_seed = _backend.set_seed
try_gpu = _backend.try_gpu
try_all_gpus = _backend.try_all_gpus
linreg = _backend.linreg
squared_loss = _backend.squared_loss
load_array = _backend.load_array


def evaluate_accuracy(net: Net, params: Any, data_iter: Batches) -> float:
    """Return the share of right predictions of ``net(params, X)`` on a data set."""
    return _backend.evaluate_accuracy(_Model(net, params), data_iter)


def predict_ch3(net: Net, params: Any, test_iter: Batches, n: int = 6) -> None:
    """Show the first ``n`` test images, with their true and their predicted labels."""
    _backend.predict_ch3(_Model(net, params), test_iter, n)


def train_epoch_ch3(net, params, train_iter, loss, updater, state=None, key=None):
    """Train for one epoch, with a step that is compiled when the epoch begins.

    Args:
        net, params: ``net(params, X)`` returns scores, ``(n, classes)``, or predictions
            of regression, ``(n, 1)``.
        train_iter: Yields batches ``(X, y)``. For regression, ``y`` holds floats.
        loss: Maps scores and labels to one loss per example, or to their "mean" or
            "sum", if ``loss.reduction`` says which.
        updater: An optimizer of Optax, or a function that turns ``(params, grads,
            batch_size=n)``, with the gradients of the summed loss, into new parameters,
            such as ``functools.partial(sgd, lr=0.1)``.
        state: The optimizer's state, at first ``updater.init(params)``. Without it, the
            optimizer starts afresh.
        key: A key of ``jax.random``, if ``net`` draws random numbers, as dropout does.
            Each step then calls ``net(params, X, key=...)`` with a new key. Evaluation
            passes no key, so ``net`` needs the default ``key=None``.

    Returns:
        ``params, (mean loss, accuracy)``, or with a ``state``, ``params, state, (mean
        loss, accuracy)``.

    Raises:
        TypeError, ValueError: An argument, or what it returns, doesn't fit.
    """
    model = _Model(net, params, state, key)
    figures = _backend.train_epoch_ch3(model, train_iter, loss, updater)
    return model.params, *([] if state is None else [model.state]), figures


def train_ch3(
    net, params, train_iter, test_iter, loss, num_epochs, updater, draw=True, key=None
):
    """Train, draw the curves as they grow, and print the final numbers.

    Args:
        net, params, train_iter, loss, updater, key: See :func:`train_epoch_ch3`.
        test_iter: Yields the batches on which accuracy is measured after each epoch.
        num_epochs: Passes over the training examples, at least 1.
        draw: Whether to draw and print, or only to return.

    Returns:
        The trained parameters, and the losses and accuracies of every epoch. If you
        stop it, ``KeyboardInterrupt`` has both, as ``params`` and ``history``.
    """
    model, rest = _Model(net, params, key=key), (loss, num_epochs, updater, draw)
    try:
        history = _backend.train_ch3(model, train_iter, test_iter, *rest)
    except KeyboardInterrupt as interruption:
        interruption.params = model.params
        raise
    return model.params, history


def sgd(params: Any, grads: Any, lr: float, batch_size: int) -> Any:
    """Return the parameters after a step of minibatch stochastic gradient descent.

    Each moves by ``-lr / batch_size`` times the gradient of the **summed** loss.

    Args:
        params, grads: Arrays in any pytree, and their gradients in the same structure.
        lr, batch_size: Learning rate, and the number of examples in the batch.
    """

    def step(param, grad):
        return param - lr * grad / batch_size

    return jax.tree_util.tree_map(step, params, grads)


def synthetic_data(
    w: Any, b: float, num_examples: int, key: Any
) -> tuple[jax.Array, jax.Array]:
    """Draw the features and targets of a linear model with noise.

    Args:
        w, b, num_examples: Weights ``(d,)`` or ``(d, 1)``, bias, and how many to draw.
        key: A key of ``jax.random``.

    Returns:
        ``X``, ``(num_examples, d)``, standard normal; and ``y = X w + b`` with noise
        of standard deviation 0.01, ``(num_examples, 1)``.
    """
    first, second = jax.random.split(key)
    X = jax.random.normal(first, (num_examples, len(w)))
    noise = 0.01 * jax.random.normal(second, (num_examples, 1))
    return X, X @ jnp.reshape(w, (-1, 1)) + b + noise


def evaluate_loss(net: Net, params: Any, data_iter: Batches, loss: Loss) -> float:
    """Return the mean loss of ``net(params, X)`` on a data set."""
    return _backend.evaluate_loss(_Model(net, params), data_iter, loss)


_aliases = aliases(
    jnp,
    astype=method("astype"),
    concat=jnp.concatenate,
    reduce_mean=jnp.mean,
    reduce_sum=jnp.sum,
    tensor=jnp.array,
)
globals().update(_aliases)
__all__ = [*EVERYWHERE, *_aliases]
__getattr__, __dir__ = missing(__name__, __all__)
