"""Gives tests one small interface to all frameworks.

To add a framework, write another subclass of :class:`BackendKit`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from booktools import FRAMEWORKS

MODULES = tuple(framework.module for framework in FRAMEWORKS.values())
REDUCTIONS = ("none", "mean", "sum")


def open_backend(name: str) -> BackendKit:
    """Return a framework's kit; skip the test if the framework can't be imported."""
    (kit,) = (each for each in BackendKit.__subclasses__() if each.name == name)
    try:
        return kit()
    except ImportError as error:
        if (error.name or "").startswith("d2lutils"):  # a bug, not a missing framework
            raise
        pytest.skip(str(error))


class BackendKit:
    """Everything tests need from a framework besides its module ``d2l``."""

    name: str
    module: ModuleType  # of d2lutils
    d2l: ModuleType  # the same module, adapted
    label_dtype: str
    channel_axis: int
    layers_transpose: bool  # whether layers keep weights as (outputs, inputs)

    def tensor(self, values: Any, dtype: Any = np.float32) -> Any:
        """Return a tensor with these values."""
        raise NotImplementedError

    def numpy(self, tensor: Any) -> np.ndarray:
        """Return the values of a tensor."""
        raise NotImplementedError

    def parameters(self, *values: np.ndarray) -> list[Any]:
        """Return trainable tensors that start at these values."""
        raise NotImplementedError

    def affine(self, W: Any, b: Any) -> Callable[[Any], Any]:
        """Return the model ``flatten(X) W + b`` with these parameters."""
        raise NotImplementedError

    def own_updater(self, params: list[Any], lr: float, module: Any = None) -> Any:
        """Return the updater of ``d2lutils``, or of another module, for parameters."""
        sgd = (module or self.d2l).sgd
        return lambda batch_size: sgd(params, lr, batch_size)

    def adapt(self, module: Any) -> Any:
        """Return a module, such as a section's, with calls that suit all frameworks."""
        return module

    def training(self, *arguments: Any) -> tuple[Any, ...]:
        """Return the arguments of a section's ``train_ch3`` for an adapted module."""
        return arguments

    def layer(self, W: np.ndarray, b: np.ndarray) -> Any:
        """Return the model of :meth:`affine`, made of the framework's own layer."""
        raise NotImplementedError

    def optimizer(self, layer: Any, lr: float) -> Any:
        """Return the framework's own gradient descent for a layer."""
        raise NotImplementedError

    def layer_weights(self, layer: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights ``(inputs, outputs)`` and biases of a layer as arrays."""
        raise NotImplementedError

    def tensors(self, model: Any) -> list[Any]:
        """Return the parameters of a model made of layers, weights before biases."""
        raise NotImplementedError

    def assign(self, tensor: Any, values: np.ndarray) -> None:
        """Set a parameter to values, in place."""
        raise NotImplementedError

    def losses(self, loss: Any, y_hat: Any, y: Any) -> Any:
        """Return a loss's result, whatever the order of its arguments."""
        return loss(y_hat, y)

    def total(self, losses: Any) -> Any:
        """Return the sum of a tensor."""
        return losses.sum()

    def loss(self, reduction: str) -> Any:
        """Return cross-entropy on logits; skip if the framework lacks the reduction."""
        raise NotImplementedError

    def squared_error(self) -> Any:
        """Return the framework's own squared error, one number per example."""
        raise NotImplementedError

    def seed_itself(self, seed: int) -> None:
        """Seed the framework as its users do, or NumPy if it has no seed."""
        raise NotImplementedError

    def batches(self, *pairs: tuple[np.ndarray, np.ndarray]) -> list[tuple[Any, Any]]:
        """Return batches of images ``(B, 28, 28)`` and labels as loaders do."""
        return [
            (
                self.tensor(np.expand_dims(X, self.channel_axis)),
                self.tensor(y, self.label_dtype),
            )
            for X, y in pairs
        ]


class TorchKit(BackendKit):
    name, label_dtype, channel_axis = "torch", "int64", 1
    layers_transpose = True

    def __init__(self):
        from d2lutils import torch as d2l

        self.d2l = self.module = d2l
        self.torch = d2l.torch

    def tensor(self, values, dtype=np.float32):
        return self.torch.tensor(np.asarray(values, dtype))

    def numpy(self, tensor):
        return tensor.detach().numpy()

    def parameters(self, *values):
        return [self.torch.nn.Parameter(self.tensor(v)) for v in values]

    def affine(self, W, b):
        return lambda X: X.reshape((len(X), -1)) @ W + b

    def layer(self, W, b):
        nn = self.torch.nn
        linear = nn.Linear(*W.shape)
        linear.weight.data = self.tensor(W.T)
        linear.bias.data = self.tensor(b)
        return nn.Sequential(nn.Flatten(), linear)

    def optimizer(self, layer, lr):
        return self.torch.optim.SGD(layer.parameters(), lr=lr)

    def layer_weights(self, layer):
        return self.numpy(layer[1].weight).T, self.numpy(layer[1].bias)

    def tensors(self, model):
        return list(model.parameters())

    def assign(self, tensor, values):
        with self.torch.no_grad():
            tensor.copy_(self.tensor(values))
        tensor.grad = None  # otherwise the next backward adds to it

    def loss(self, reduction):
        return self.torch.nn.CrossEntropyLoss(reduction=reduction)

    def squared_error(self):
        return self.torch.nn.MSELoss(reduction="none")

    def seed_itself(self, seed):
        self.torch.manual_seed(seed)


class MXNetKit(BackendKit):
    name, label_dtype, channel_axis = "mxnet", "int32", 1
    layers_transpose = True

    def __init__(self):
        from d2lutils import mxnet as d2l

        self.d2l = self.module = d2l
        self.mxnet = d2l.mxnet
        self.mxnet.npx.set_np()

    def tensor(self, values, dtype=np.float32):
        return self.mxnet.np.array(np.asarray(values), dtype=dtype)

    def numpy(self, tensor):
        return tensor.asnumpy()

    def parameters(self, *values):
        params = [self.tensor(v) for v in values]
        for param in params:
            param.attach_grad()
        return params

    def affine(self, W, b):
        return lambda X: self.mxnet.np.dot(X.reshape((len(X), -1)), W) + b

    def layer(self, W, b):
        dense = self.mxnet.gluon.nn.Dense(W.shape[1], in_units=W.shape[0])
        dense.initialize()
        dense.weight.set_data(self.tensor(W.T))
        dense.bias.set_data(self.tensor(b))
        return dense

    def optimizer(self, layer, lr):
        params = layer.collect_params()
        return self.mxnet.gluon.Trainer(params, "sgd", {"learning_rate": lr})

    def layer_weights(self, layer):
        return self.numpy(layer.weight.data()).T, self.numpy(layer.bias.data())

    def tensors(self, model):
        return [param.data() for param in model.collect_params().values()]

    def assign(self, tensor, values):
        tensor[:] = self.tensor(values)

    def loss(self, reduction):
        per_example = self.mxnet.gluon.loss.SoftmaxCrossEntropyLoss()
        if reduction == "sum":
            pytest.skip("Gluon has no summed loss: every loss is per example")
        if reduction == "mean":

            def mean(y_hat, y):
                return per_example(y_hat, y).mean()

            mean.reduction = "mean"
            return mean
        return per_example

    def squared_error(self):
        return self.mxnet.gluon.loss.L2Loss(weight=2)  # by default it is halved

    def seed_itself(self, seed):
        self.mxnet.random.seed(seed)


class TensorFlowKit(BackendKit):
    name, label_dtype, channel_axis = "tensorflow", "int32", 3
    layers_transpose = False

    def __init__(self):
        from d2lutils import tensorflow as d2l

        self.d2l = self.module = d2l
        self.tf = d2l.tf

    def tensor(self, values, dtype=np.float32):
        return self.tf.constant(np.asarray(values, dtype))

    def numpy(self, tensor):
        return tensor.numpy()

    def parameters(self, *values):
        return [self.tf.Variable(self.tensor(v)) for v in values]

    def affine(self, W, b):
        return lambda X: self.tf.reshape(X, (len(X), -1)) @ W + b

    def own_updater(self, params, lr, module=None):
        return (module or self.d2l).Updater(params, lr)

    def layer(self, W, b):
        layers = self.tf.keras.layers
        dense = layers.Dense(W.shape[1])
        model = self.tf.keras.Sequential([layers.Flatten(), dense])
        model.build((None, 28, 28, 1))
        dense.set_weights([W, b])
        return model

    def optimizer(self, layer, lr):
        return self.tf.keras.optimizers.SGD(lr)

    def layer_weights(self, layer):
        return tuple(layer.layers[-1].get_weights())

    def tensors(self, model):
        return list(model.trainable_variables)

    def assign(self, tensor, values):
        tensor.assign(values)

    def total(self, losses):
        return self.tf.reduce_sum(losses)

    def losses(self, loss, y_hat, y):
        if isinstance(loss, self.tf.keras.losses.Loss):
            return loss(y, y_hat)
        return loss(y_hat, y)

    def loss(self, reduction):
        names = {"none": "none", "mean": "sum_over_batch_size", "sum": "sum"}
        return self.tf.keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction=names[reduction]
        )

    def squared_error(self):
        return self.tf.keras.losses.MeanSquaredError(reduction="none")

    def seed_itself(self, seed):
        self.tf.random.set_seed(seed)


class Cell:
    """Stands in for a tensor that can change in place, because JAX has none."""

    def __init__(self, value: Any) -> None:
        self.value = value


class CellUpdater:
    """Updates cells by a function from parameters and gradients to new parameters."""

    def __init__(self, cells: list[Cell], function: Any) -> None:
        self.cells, self.function = cells, function


class CellNet:
    """Makes a function of ``X`` from a pure function and cells for its parameters."""

    def __init__(self, function: Callable[[Any, Any], Any], params: Any, tree: Any):
        leaves, self.structure = tree.tree_flatten(params)
        self.cells = [Cell(leaf) for leaf in leaves]
        self.function, self.tree = function, tree

    def __call__(self, X: Any) -> Any:
        leaves = [cell.value for cell in self.cells]
        return self.function(self.tree.tree_unflatten(self.structure, leaves), X)


class Adapted:
    """A module with some functions replaced."""

    def __init__(self, module: Any, *functions: Callable) -> None:
        vars(self)["module"] = module
        for function in functions:
            if original := getattr(module, function.__name__, None):
                vars(self)[function.__name__] = functools.wraps(original)(function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.module, name, value)

    def __dir__(self) -> list[str]:
        return dir(self.module)


class JaxKit(BackendKit):
    """Keeps parameters in cells, because the tests change them in place."""

    name, label_dtype, channel_axis = "jax", "int32", 3
    layers_transpose = True

    def __init__(self):
        import equinox
        import jax
        import optax

        from d2lutils import jax as module

        self.module, self.jax, self.eqx, self.optax = module, jax, equinox, optax
        self.d2l = self.adapt(module)

    def pure(self, net, cells):
        def function(params, X):
            kept = [cell.value for cell in cells]
            try:
                for cell, value in zip(cells, params, strict=False):
                    cell.value = value
                return net(X)
            finally:
                for cell, value in zip(cells, kept, strict=True):
                    cell.value = value

        return function

    def adapt(self, module):
        nothing = [self.jax.numpy.zeros(1)]

        def trained(train, net, *rest, updater):
            cells = getattr(updater, "cells", [])
            function = getattr(updater, "function", updater)
            params = [cell.value for cell in cells] or nothing
            try:
                params, found = train(self.pure(net, cells), params, *rest, function)
            except KeyboardInterrupt as interruption:
                params = interruption.params
                raise
            finally:
                for cell, value in zip(cells, params, strict=False):
                    cell.value = value
            return found

        def evaluate_accuracy(net, data_iter):
            return module.evaluate_accuracy(self.pure(net, []), nothing, data_iter)

        def predict_ch3(net, test_iter, **options):
            module.predict_ch3(self.pure(net, []), nothing, test_iter, **options)

        def train_epoch_ch3(net, train_iter, loss, updater):
            return trained(
                module.train_epoch_ch3, net, train_iter, loss, updater=updater
            )

        def train_ch3(net, train_iter, test_iter, loss, num_epochs, updater, **options):
            rest = (train_iter, test_iter, loss, num_epochs)
            train = functools.partial(module.train_ch3, **options)
            return trained(train, net, *rest, updater=updater)

        return Adapted(
            module, evaluate_accuracy, predict_ch3, train_epoch_ch3, train_ch3
        )

    def training(self, net, params, *rest):
        net = CellNet(net, params, self.jax.tree_util)
        restored = functools.partial(self.jax.tree_util.tree_unflatten, net.structure)

        def update(leaves, grads, batch_size):
            new = rest[-1](restored(leaves), restored(grads), batch_size=batch_size)
            return self.jax.tree_util.tree_leaves(new)

        is_optimizer = hasattr(rest[-1], "init")
        updater = CellUpdater(net.cells, rest[-1] if is_optimizer else update)
        return net, *rest[:-1], updater

    def tensor(self, values, dtype=np.float32):
        return self.jax.numpy.asarray(np.asarray(values, dtype))

    def numpy(self, tensor):
        return np.asarray(getattr(tensor, "value", tensor))

    def parameters(self, *values):
        return [Cell(self.tensor(v)) for v in values]

    def affine(self, W, b):
        return lambda X: X.reshape((len(X), -1)) @ W.value + b.value

    def own_updater(self, params, lr, module=None):
        return CellUpdater(
            params, functools.partial((module or self.module).sgd, lr=lr)
        )

    def layer(self, W, b):
        eqx, key = self.eqx, self.jax.random.key(0)
        linear = eqx.tree_at(
            lambda layer: (layer.weight, layer.bias),
            eqx.nn.Linear(*W.shape, key=key),
            (self.tensor(W.T), self.tensor(b)),
        )
        model = eqx.nn.Sequential([eqx.nn.Lambda(self.jax.numpy.ravel), linear])
        params, static = eqx.partition(model, eqx.is_array)
        apply = lambda params, X: self.jax.vmap(eqx.combine(params, static))(X)  # noqa: E731
        return CellNet(apply, params, self.jax.tree_util)

    def optimizer(self, layer, lr):
        return CellUpdater(layer.cells, self.optax.sgd(lr))

    def layer_weights(self, layer):
        return self.numpy(layer.cells[0]).T, self.numpy(layer.cells[1])

    def tensors(self, model):
        return model.cells

    def assign(self, tensor, values):
        tensor.value = self.tensor(values)

    def loss(self, reduction):
        per_example = self.optax.softmax_cross_entropy_with_integer_labels
        if reduction == "none":
            return per_example

        def loss(y_hat, y):
            return getattr(per_example(y_hat, y), reduction)()

        loss.reduction = reduction
        return loss

    def squared_error(self):
        return self.optax.squared_error

    def seed_itself(self, seed):
        np.random.seed(seed)
