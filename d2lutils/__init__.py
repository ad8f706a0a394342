"""Data, training loop and figures for the chapters, one face per framework.

Import one of the faces under the name that the chapters use::

    from d2lutils import mxnet as d2l
    from d2lutils import torch as d2l
    from d2lutils import tensorflow as d2l

Importing ``d2lutils`` alone imports no framework.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

__version__ = "0.1.0"


def require(framework: str) -> ModuleType:
    """Import a framework, or say how to get it.

    Args:
        framework: ``"mxnet"``, ``"torch"`` or ``"tensorflow"``: the name of the
            package and of the extra of ``d2lutils`` that installs it.

    Returns:
        The imported package.

    Raises:
        ImportError: The framework is missing, or cannot run on this Python or
            with this NumPy. A failure inside an installed framework passes
            through as it is.
    """
    if framework == "mxnet":
        _check_mxnet_can_run()
    try:
        return importlib.import_module(framework)
    except ModuleNotFoundError as error:
        if error.name != framework:
            raise
        raise ImportError(
            f"d2lutils.{framework} needs the package {framework!r}, which is not "
            f"installed. Install it with: pip install 'd2lutils[{framework}]'",
            name=framework,
        ) from error


def _check_mxnet_can_run() -> None:
    """Raise where MXNet 1.9.1, the last release, is known to fail at import."""
    spec = importlib.util.find_spec("mxnet")
    if spec is not None and not spec.has_location:
        return  # a stand-in without a file, by which Sphinx reads the docstrings
    # MXNet was retired in 2023: it uses names that NumPy 1.24 removed (np.bool)
    # and was never released for a Python that comes without distutils.
    if sys.version_info >= (3, 12):
        raise ImportError(
            "MXNet runs on Python 3.10 and 3.11 only (it is retired, and no release "
            f"runs on 3.12 or newer); this is Python {sys.version.split()[0]}. "
            "Use d2lutils.torch or d2lutils.tensorflow, or an older Python with "
            "pip install 'd2lutils[mxnet]'",
            name="mxnet",
        )
    import numpy

    if tuple(map(int, numpy.__version__.split(".")[:2])) >= (1, 24):
        raise ImportError(
            f"MXNet needs NumPy below 1.24; NumPy {numpy.__version__} is installed. "
            "Install a matching pair with: pip install 'd2lutils[mxnet]'",
            name="mxnet",
        )
