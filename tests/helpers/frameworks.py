"""The tests' table of frameworks: all behind one small interface.

A new framework is one more subclass of :class:`BackendKit`.
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
    """Return a framework's kit; skip the test where the framework cannot run."""
    (kit,) = (each for each in BackendKit.__subclasses__() if each.name == name)
    try:
        return kit()
    except ImportError as error:
        if (error.name or "").startswith("d2lutils"):  # its own fault
            raise
        pytest.skip(str(error))


class BackendKit:
    """What tests need of a framework beside its module ``d2l``."""

    name: str
    module: ModuleType  # of d2lutils
    d2l: ModuleType  # the same, adapted
    label_dtype: str
    channel_axis: int
    layers_transpose: bool  # whether layers keep weights as (outputs, inputs)

    def tensor(self, values: Any, dtype: Any = np.float32) -> Any:
        """A tensor of these values."""
        raise NotImplementedError

    def numpy(self, tensor: Any) -> np.ndarray:
        """The values of a tensor."""
        raise NotImplementedError

    def parameters(self, *values: np.ndarray) -> list[Any]:
        """Trainable tensors that start at these values."""
        raise NotImplementedError

    def affine(self, W: Any, b: Any) -> Callable[[Any], Any]:
        """The model ``flatten(X) W + b`` over these parameters."""
        raise NotImplementedError

    def own_updater(self, params: list[Any], lr: float, module: Any = None) -> Any:
        """The updater of ``d2lutils``, or of another module, on these parameters."""
        sgd = (module or self.d2l).sgd
        return lambda batch_size: sgd(params, lr, batch_size)

    def adapt(self, module: Any) -> Any:
        """A module of functions, such as a section's, that can be called alike."""
        return module

    def training(self, *arguments: Any) -> tuple[Any, ...]:
        """The arguments of a section's ``train_ch3``, for a module so adapted."""
        return arguments

    def layer(self, W: np.ndarray, b: np.ndarray) -> Any:
        """The same model made of the framework's own layer."""
        raise NotImplementedError

    def optimizer(self, layer: Any, lr: float) -> Any:
        """The framework's own gradient descent on a layer."""
        raise NotImplementedError

    def layer_weights(self, layer: Any) -> tuple[np.ndarray, np.ndarray]:
        """Weights ``(inputs, outputs)`` and biases of a layer, as arrays."""
        raise NotImplementedError

    def tensors(self, model: Any) -> list[Any]:
        """The parameters of a model made of layers, weights before biases."""
        raise NotImplementedError

    def assign(self, tensor: Any, values: np.ndarray) -> None:
        """Put values into a parameter, in place."""
        raise NotImplementedError

    def losses(self, loss: Any, y_hat: Any, y: Any) -> Any:
        """What a loss gives, whichever of its arguments it wants first."""
        return loss(y_hat, y)

    def total(self, losses: Any) -> Any:
        """The sum of a tensor."""
        return losses.sum()

    def loss(self, reduction: str) -> Any:
        """Cross-entropy on logits, or a skip where there is none so reduced."""
        raise NotImplementedError

    def squared_error(self) -> Any:
        """The framework's own loss for regression, one number per example."""
        raise NotImplementedError

    def seed_itself(self, seed: int) -> None:
        """Seed the framework as its own users do, or NumPy where it has no seed."""
        raise NotImplementedError

    def batches(self, *pairs: tuple[np.ndarray, np.ndarray]) -> list[tuple[Any, Any]]:
        """Batches of images ``(B, 28, 28)`` and labels as a loader gives them."""
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
        tensor.grad = None  # or the next backward would add to it

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
        return self.mxnet.gluon.loss.L2Loss(weight=2)  # it halves

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
    """What stands in for a tensor that changes in place, which JAX has none of."""

    def __init__(self, value: Any) -> None:
        self.value = value


class CellUpdater:
    """What changes cells by what turns parameters and gradients into new parameters."""

    def __init__(self, cells: list[Cell], function: Any) -> None:
        self.cells, self.function = cells, function


class CellNet:
    """A pure function and the cells of its parameters, as a function of ``X``."""

    def __init__(self, function: Callable[[Any, Any], Any], params: Any, tree: Any):
        leaves, self.structure = tree.tree_flatten(params)
        self.cells = [Cell(leaf) for leaf in leaves]
        self.function, self.tree = function, tree

    def __call__(self, X: Any) -> Any:
        leaves = [cell.value for cell in self.cells]
        return self.function(self.tree.tree_unflatten(self.structure, leaves), X)


class Adapted:
    """A module, some of whose functions are called otherwise."""

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
    """Tests change parameters in place; here they are put into cells, and back."""

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
