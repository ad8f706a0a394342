"""Makes the original library run on today's releases, with as few changes as possible.

Runs inside the environment of the original, before anything else is imported there.
"""

from __future__ import annotations

import sys
from types import ModuleType

DATA_FOLDERS = (
    "data/FashionMNIST/raw",  # torchvision: ../data
    "mxnet/datasets/fashion-mnist",
    "keras/datasets/fashion-mnist",
)
"""Where it looks for the data, relative to the parent of its working folder."""


def prepare(framework: str) -> None:
    """Prepare the process for ``from d2l import <framework>``."""
    if framework == "torch":
        # It describes torchvision's compiled operators. With another build of PyTorch,
        # such as the CPU build, they are missing, and it fails. The book uses none.
        name = "torchvision._meta_registrations"
        sys.modules[name] = ModuleType(name)
    if framework == "mxnet":
        import numpy

        vars(numpy).setdefault("bool", numpy.bool_)  # removed in NumPy 1.24
        import mxnet.gluon.utils

        # It expects other files than the official ones, with equal content.
        mxnet.gluon.utils.check_sha1 = lambda filename, sha1_hash: True
