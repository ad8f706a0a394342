"""JAX: ``from d2lutils import jax as d2l``.

JAX wants *pure* functions, whose result depends on their arguments alone. So a model
is a function ``net(params, X)``, where ``params`` holds arrays of floats in any pytree;
what takes ``net`` elsewhere takes both here; and what trains returns new parameters.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np

from d2lutils import require
from d2lutils.backend import Backend, Batches, Loss, Net, Step, check_scores
from d2lutils.fashion_mnist import get_fashion_mnist_labels  # noqa: F401
from d2lutils.metrics import *  # noqa: F403
from d2lutils.minibatches import get_dataloader_workers  # noqa: F401
from d2lutils.plotting import *  # noqa: F403

# TensorFlow, if it is imported later, logs as JAX's C++ library was told to.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
jax = require("jax")
jnp = jax.numpy
# The default since JAX 0.5: so a key gives the same numbers in every release.
jax.config.update("jax_threefry_partitionable", True)


def _check_params(params: Any) -> Any:
    for leaf in jax.tree_util.tree_leaves(params) or [params]:
        if not jnp.issubdtype(getattr(leaf, "dtype", int), jnp.floating):
            raise TypeError(
                f"params must be a pytree of float arrays; here is {leaf!r}"
            )
    return params


class _Model:
    """A function, its parameters and an optimizer's state, as a model of ``X``."""

    def __init__(self, net: Net, params: Any, state: Any = None) -> None:
        try:
            inspect.signature(net).bind(params, None)
        except TypeError as error:
            raise TypeError(
                f"net must be a function net(params, X) ({error}); bind all else, such "
                "as a key, by functools.partial"
            ) from None
        self.net, self.params, self.state = net, _check_params(params), state
        # Not jit(net), which would remember how `net` was when another model had it.
        self.forward = jax.jit(lambda params, X: net(params, X))

    def __call__(self, X: Any) -> Any:
        return self.forward(self.params, X)


class JaxBackend(Backend):
    """What JAX does in its own way."""

    channel_axis, label_dtype = 3, np.int32

    def from_numpy(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return jnp.asarray(X), jnp.asarray(y)

    def sum(self, losses: jax.Array) -> jax.Array:
        return losses.sum()

    def training_step(self, net: _Model, loss: Loss, updater: Any) -> Step:
        is_optimizer = hasattr(updater, "init") and hasattr(updater, "update")
        if is_optimizer and net.state is None:
            net.state = updater.init(net.params)

        def objective(params: Any, X: Any, y: Any) -> tuple[Any, Any]:
            y_hat = net.net(params, X)
            check_scores(y_hat, np.zeros(len(y), int))  # its shape
            goal, total = self.objective(
                loss(y_hat, y), loss, len(y), summed=not is_optimizer
            )
            return goal, (total, y_hat)

        @jax.jit
        def update(params: Any, state: Any, X: Any, y: Any) -> tuple[Any, ...]:
            grads, found = jax.grad(objective, has_aux=True)(params, X, y)
            if is_optimizer:
                steps, state = updater.update(grads, state, params)
                params = jax.tree_util.tree_map(jnp.add, params, steps)
            else:
                params = updater(params, grads, batch_size=len(y))
            return _check_params(params), state, *found

        def step(X: Any, y: Any, labels: np.ndarray) -> tuple[Any, Any]:
            params, state, total, y_hat = update(net.params, net.state, X, y)
            check_scores(y_hat, labels)
            net.params, net.state = params, state
            return total, y_hat

        return step

    def seed(self, seed: int) -> None:
        pass  # no generator of its own: whoever draws numbers passes a key

    def devices(self) -> tuple[list[jax.Device], jax.Device]:
        gpus = [each for each in jax.devices() if each.platform == "gpu"]
        return gpus, jax.devices("cpu")[0]


_backend = JaxBackend()
load_data_fashion_mnist = _backend.load_data_fashion_mnist
accuracy = _backend.accuracy
set_seed = _backend.set_seed
try_gpu = _backend.try_gpu
try_all_gpus = _backend.try_all_gpus


def evaluate_accuracy(net: Net, params: Any, data_iter: Batches) -> float:
    """Return the share of right predictions of ``net(params, X)`` on a data set."""
    return _backend.evaluate_accuracy(_Model(net, params), data_iter)


def predict_ch3(net: Net, params: Any, test_iter: Batches, n: int = 6) -> None:
    """Show the first ``n`` test images, each titled true over predicted label."""
    _backend.predict_ch3(_Model(net, params), test_iter, n)


def train_epoch_ch3(net, params, train_iter, loss, updater, state=None):
    """Train for one epoch, by a step that is compiled when the epoch begins.

    Args:
        net, params: Give ``net(params, X)``, scores of shape ``(n, classes)``.
        train_iter: Yields batches ``(X, y)``.
        loss: Maps scores and labels to one loss per example; or to their "mean" or
            "sum", if ``loss.reduction`` says which.
        updater: An optimizer of Optax; or what turns ``(params, grads, batch_size=n)``,
            the gradients being those of the summed loss, into new parameters, such as
            ``functools.partial(sgd, lr=0.1)``.
        state: The optimizer's, at first ``updater.init(params)``; or it begins anew.

    Returns:
        ``params, (mean loss, accuracy)``; with a ``state``, ``params, state, (...)``.

    Raises:
        TypeError, ValueError: One of them, or what it returns, does not fit.
    """
    model = _Model(net, params, state)
    figures = _backend.train_epoch_ch3(model, train_iter, loss, updater)
    return model.params, *([] if state is None else [model.state]), figures


def train_ch3(net, params, train_iter, test_iter, loss, num_epochs, updater, draw=True):
    """Train, draw the curves as they grow, and print the final figures.

    Args:
        net, params, train_iter, loss, updater: See :func:`train_epoch_ch3`.
        test_iter: Yields the batches on which accuracy is measured after each epoch.
        num_epochs: Passes over the training examples, at least 1.
        draw: Whether to draw and to print; or only return.

    Returns:
        The trained parameters, and the figures of every epoch. After an interruption
        they are the ``params`` and the ``history`` of the ``KeyboardInterrupt``.
    """
    model, rest = _Model(net, params), (loss, num_epochs, updater, draw)
    try:
        history = _backend.train_ch3(model, train_iter, test_iter, *rest)
    except KeyboardInterrupt as interruption:
        interruption.params = model.params
        raise
    return model.params, history


def sgd(params: Any, grads: Any, lr: float, batch_size: int) -> Any:
    """Return the parameters after a step of minibatch stochastic gradient descent.

    Each moves by ``-lr / batch_size`` times its gradient, that of the **summed** loss.

    Args:
        params, grads: Arrays in any pytree, and their gradients in the same one.
        lr, batch_size: Learning rate; number of examples behind the gradients.
    """

    def step(param, grad):
        return param - lr * grad / batch_size

    return jax.tree_util.tree_map(step, params, grads)
