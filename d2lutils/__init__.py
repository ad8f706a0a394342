"""Data, training loop and figures for the chapters, in one module per framework.

Import one of the modules under the name that the chapters use::

    from d2lutils import torch as d2l

Importing ``d2lutils`` alone imports no framework.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.2.0"


def require(framework: str) -> ModuleType:
    """Import a framework, or say how to get it.

    Args:
        framework: The name of its package, and of the extra of ``d2lutils`` that
            installs it, such as ``"torch"``.

    Returns:
        The imported package.

    Raises:
        ImportError: The framework is not installed. A failure inside an installed
            framework passes through as it is.
    """
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
