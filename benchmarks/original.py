"""Makes the original library run on today's releases, with as few changes as possible.

Runs inside the environment of the original, before anything else is imported there.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

DATA_FOLDERS = (
    "data/FashionMNIST/raw",  # torchvision: ../data
    "mxnet/datasets/fashion-mnist",
    "keras/datasets/fashion-mnist",
)
"""Where it looks for the data, relative to the parent of its working folder."""


def prepare(framework: str) -> None:
    """Prepare the process for ``from d2l import <framework>``."""
    if framework == "torch":
        _declare_operators_of_torchvision()
    if framework == "mxnet":
        _accept_official_files()


def _declare_operators_of_torchvision() -> None:
    """Declare torchvision's compiled operators, so that it can be imported.

    With another build of PyTorch, such as the CPU build, they are missing, so the
    import fails. The book uses none of them.
    """
    try:
        importlib.import_module("torchvision")
        return
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    import torch

    package = Path(importlib.util.find_spec("torchvision").origin).parent
    text = (package / "_meta_registrations.py").read_text()
    names = set(re.findall(r'register_meta\("(\w+)"|torchvision::(\w+)', text))
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted({a or b for a, b in names}):
        library.define(f"{name}(Tensor x) -> Tensor")
    torch._torchvision_declarations = library  # lives as long as the process
    importlib.import_module("torchvision")


def _accept_official_files() -> None:
    """Make Gluon accept the official files. It expects others with equal content."""
    import numpy

    vars(numpy).setdefault("bool", numpy.bool_)  # removed in NumPy 1.24
    import mxnet.gluon.utils

    check_sha1 = mxnet.gluon.utils.check_sha1
    root = Path(os.environ["MXNET_HOME"])
    mxnet.gluon.utils.check_sha1 = lambda filename, sha1_hash: (
        root in Path(filename).parents or check_sha1(filename, sha1_hash)
    )
