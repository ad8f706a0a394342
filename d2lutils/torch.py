"""PyTorch: ``from d2lutils import torch as d2l``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from d2lutils import require
from d2lutils.arguments import EMPTY, check_function, check_gradients
from d2lutils.backend import Backend, Batches, Loss, Net, Step, check_scores
from d2lutils.names import *  # noqa: F403
from d2lutils.names import EVERYWHERE, aliases, method, missing

torch = require("torch")
nn = torch.nn


class TorchBackend(Backend):
    """The parts of the library that PyTorch does differently."""

    channel_axis, label_dtype = 1, np.int64

    def from_numpy(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return torch.from_numpy(X), torch.from_numpy(y)

    def training_step(self, net: Net, loss: Loss, updater: Any) -> Step:
        is_optimizer = isinstance(updater, torch.optim.Optimizer)
        if not is_optimizer:
            check_function("updater", updater, "a torch.optim optimizer or a function")
        if isinstance(net, nn.Module):
            net.train()
        groups = updater.param_groups if is_optimizer else []

        def step(X: Any, y: Any, labels: np.ndarray) -> tuple[Any, Any]:
            found: list[Any] = []

            def evaluate() -> torch.Tensor:
                if is_optimizer:
                    updater.zero_grad()
                y_hat = net(X)
                check_scores(y_hat, labels)
                goal, total = self.objective(loss, y_hat, y, summed=not is_optimizer)
                found.extend(each.detach().clone() for each in (total, y_hat))
                check_gradients("net(X)", goal.grad_fn)
                goal.backward()
                if is_optimizer:  # which skips single parameters without a gradient
                    grads = [p.grad for group in groups for p in group["params"]]
                    check_gradients("Every parameter of the updater", *grads)
                return goal

            if isinstance(updater, torch.optim.LBFGS):
                updater.step(evaluate)  # several times
            else:
                evaluate()
                updater.step() if is_optimizer else updater(len(labels))
            return found[0], found[1]

        return step

    @contextmanager
    def inference(self, net: Net) -> Iterator[Net]:
        modes = {}
        if isinstance(net, nn.Module):
            modes = {module: module.training for module in net.modules()}
            net.eval()
        try:
            with torch.no_grad():
                yield net
        finally:
            for module, mode in modes.items():
                module.training = mode

    def end_training(self, net: Net) -> None:
        if isinstance(net, nn.Module):
            net.eval()

    def seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def draw_seed(self) -> int:
        return int(torch.empty((), dtype=torch.int64).random_())

    def normal(self, scale: float, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.normal(0.0, scale, shape)

    def loader(self, arrays: Sequence[Any], batch_size: int, shuffle: bool) -> Batches:
        dataset = torch.utils.data.TensorDataset(*arrays)
        return torch.utils.data.DataLoader(dataset, batch_size, shuffle=shuffle)

    def devices(self) -> tuple[list[torch.device], torch.device]:
        names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        if torch.backends.mps.is_available():  # Apple's
            names.append("mps")
        return [torch.device(name) for name in names], torch.device("cpu")


def sgd(params: Iterable[torch.Tensor], lr: float, batch_size: int) -> None:
    """Take one step of minibatch stochastic gradient descent, and clear the gradients.

    Each parameter moves by ``-lr / batch_size`` times the gradient of the **summed**
    loss. PyTorch adds to the gradients at every ``backward``, so we set them to zero.

    Args:
        params: Tensors with gradients, which are changed in place.
        lr, batch_size: Learning rate, and the number of examples in the batch.

    Raises:
        ValueError: A parameter has no gradient, or there are no parameters.
    """
    params = list(params)
    check_gradients(EMPTY, *params)
    with torch.no_grad():
        for param in params:
            check_gradients(f"A parameter of shape {tuple(param.shape)}", param.grad)
            param -= lr * param.grad / batch_size
            param.grad.zero_()


_backend = TorchBackend()
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
    torch,
    astype=method("type"),
    reduce_mean=method("mean"),
    reduce_sum=method("sum"),
    to=method("to"),
    transpose=method("t"),
)
globals().update(_aliases)
__all__ = [*EVERYWHERE, *_aliases]
__getattr__, __dir__ = missing(__name__, __all__)
