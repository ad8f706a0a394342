"""MXNet: ``from d2lutils import mxnet as d2l``."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as onp

from d2lutils import require
from d2lutils.arguments import EMPTY, check_function, check_gradients
from d2lutils.backend import Backend, Batches, Loss, Net, Step, check_scores
from d2lutils.names import *  # noqa: F403
from d2lutils.names import EVERYWHERE, aliases, method, missing


def _has_avx2() -> bool:
    """Return whether Linux says that the processor has AVX2 and FMA."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:  # another system
        return False
    return "avx2" in flags and "fma" in flags


# MXNet brings an OpenBLAS of 2021, which mistakes newer processors for very old ones
# and then multiplies matrices at less than half the speed. When it loads, it reads from
# the environment which code to use. If you chose one, that stays. If we did, we remove
# it again.
_hint = "OPENBLAS_CORETYPE" not in os.environ and _has_avx2()
if _hint:
    os.environ["OPENBLAS_CORETYPE"] = "HASWELL"  # the newest that it knows with AVX2
try:
    mxnet = require("mxnet")
except (ImportError, AttributeError) as error:
    # It needs distutils, gone in Python 3.12, and np.bool, gone in NumPy 1.24.
    version = tuple(map(int, onp.__version__.split(".")[:2]))
    if sys.version_info < (3, 12) and version < (1, 24):
        raise
    raise ImportError(
        "MXNet is retired and runs only on Python 3.11 or older, with NumPy below "
        f"1.24, but this is Python {platform.python_version()} with NumPy "
        f"{onp.__version__}. Use another framework, or Python 3.11 with: pip "
        "install 'mxnet<2' 'numpy<1.24'",
        name="mxnet",
    ) from error
finally:
    if _hint:
        del os.environ["OPENBLAS_CORETYPE"]
autograd, gluon, np, npx = mxnet.autograd, mxnet.gluon, mxnet.np, mxnet.npx


class MXNetBackend(Backend):
    """The parts of the library that MXNet does differently."""

    channel_axis, label_dtype = 1, onp.int32

    def from_numpy(self, X: onp.ndarray, y: onp.ndarray) -> tuple[Any, Any]:
        share = mxnet.nd.from_numpy  # np.array would copy
        return share(X).as_np_ndarray(), share(y).as_np_ndarray()

    def training_step(self, net: Net, loss: Loss, updater: Any) -> Step:
        update = updater.step if isinstance(updater, gluon.Trainer) else updater
        check_function("updater", update, "a gluon.Trainer or a function")

        def step(X: Any, y: Any, labels: onp.ndarray) -> tuple[Any, Any]:
            with autograd.record():
                y_hat = net(X)
                check_scores(y_hat, labels)
                goal, total = self.objective(loss, y_hat, y, summed=True)
            found = total.copy(), y_hat.copy()
            try:
                goal.backward()
            except mxnet.MXNetError as error:
                if "computation" in str(error):  # nothing to differentiate
                    check_gradients("net(X)", None)
                raise
            update(len(labels))
            return found

        return step

    def seed(self, seed: int) -> None:
        npx.random.seed(seed)

    def draw_seed(self) -> int:
        # Of size 1: before npx.set_np() MXNet has no tensors without axes.
        return int(np.random.randint(0, 2**31 - 1, size=1)[0])

    def normal(self, scale: float, shape: tuple[int, ...]) -> np.ndarray:
        return np.random.normal(0, scale, shape)

    def loader(self, arrays: Sequence[Any], batch_size: int, shuffle: bool) -> Batches:
        dataset = gluon.data.ArrayDataset(*arrays)
        return gluon.data.DataLoader(dataset, batch_size, shuffle=shuffle)

    def devices(self) -> tuple[list[mxnet.Context], mxnet.Context]:
        return [npx.gpu(i) for i in range(npx.num_gpus())], npx.cpu()


def sgd(params: Iterable[np.ndarray], lr: float, batch_size: int) -> None:
    """Take one step of minibatch stochastic gradient descent.

    Each parameter moves by ``-lr / batch_size`` times the gradient of the **summed**
    loss. MXNet overwrites gradients at every ``backward``, so we needn't clear them.

    Args:
        params: Arrays with gradients attached, which are changed in place.
        lr, batch_size: Learning rate, and the number of examples in the batch.

    Raises:
        ValueError: A parameter has no gradient, or there are no parameters.
    """
    params = list(params)
    check_gradients(EMPTY, *params)
    for param in params:
        check_gradients(f"A parameter of shape {param.shape}", param.grad)
        param -= lr * param.grad / batch_size


_backend = MXNetBackend()
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
    np,
    astype=method("astype"),
    concat=np.concatenate,
    matmul=np.dot,
    normal=np.random.normal,
    rand=np.random.rand,
    reduce_mean=method("mean"),
    reduce_sum=method("sum"),
    tensor=np.array,
    to=method("as_in_context"),
)
globals().update(_aliases)
__all__ = [*EVERYWHERE, *_aliases]
__getattr__, __dir__ = missing(__name__, __all__)
