"""Data, training loop and figures for the chapters, in one module per framework.

Import one of the modules under the name that the chapters use::

    from d2lutils import torch as d2l

Importing ``d2lutils`` alone imports no framework.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.2.0"


def require(package: str, extra: str = "") -> ModuleType:
    """Import a package and return it, or say how to get it.

    Args:
        package: Its name, such as ``"torch"``.
        extra: The extra of ``d2lutils`` that installs it, if it has another name.

    Raises:
        ImportError: The package isn't installed. If an installed package fails to
            import something itself, that error passes through unchanged.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        who = "This section" if extra else f"d2lutils.{package}"
        raise ImportError(
            f"{who} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install {package}, or in a clone of the book with: "
            f"pip install -e '.[{extra or package}]'",
            name=package,
        ) from error
