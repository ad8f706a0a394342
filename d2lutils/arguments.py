"""Checks and conversions of arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

# Whose gradients are missing if an updater has no parameters.
EMPTY = "An empty list, or a generator that an earlier step used up,"


def check_whole(name: str, value: Any, least: int) -> int:
    """Return an argument as an ``int``.

    Raises:
        TypeError: It isn't a whole number. ``True`` and ``False`` don't count as such.
        ValueError: It is smaller than ``least``.
    """
    expected = f"{name} must be a whole number of at least {least}, got {value!r}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(expected)
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(expected) from None
    if number < least:
        raise ValueError(expected)
    return number


def shown(value: Any) -> str:
    """Show a value in a message, or if that takes more than a line, its type."""
    text = repr(value)
    if len(text) <= 80 and "\n" not in text:
        return text
    length = f" of length {len(value)}" if hasattr(value, "__len__") else ""
    return f"<{type(value).__name__}{length}>"


def check(fits: bool, name: str, expected: str, value: Any) -> None:
    """Raise ``TypeError`` unless a value fits."""
    if not fits:
        raise TypeError(f"{name} must be {expected}, got {shown(value)}")


def check_function(name: str, value: Any, expected: str) -> None:
    """Raise ``TypeError`` if an argument can't be called, or is a class."""
    fits = callable(value) and not isinstance(value, type)
    check(fits, name, expected, value)


def check_gradients(who: str, *grads: Any) -> None:
    """Raise ``ValueError`` if an updater has no gradients, or all are missing."""
    if all(grad is None for grad in grads):
        raise ValueError(
            f"{who} has no gradient: the loss does not depend on it, or it was not "
            "declared as trainable. Give the updater the parameters that net uses"
        )


def to_numpy(values: Any) -> np.ndarray:
    """Turn numbers, a sequence or a tensor of any framework into an array."""
    if hasattr(values, "asnumpy"):  # MXNet
        return values.asnumpy()
    if hasattr(values, "detach"):  # PyTorch
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # a type that NumPy lacks
            values = values.float()
    if isinstance(values, (list, tuple)) and not all(map(np.isscalar, values)):
        values = [to_numpy(value) for value in values]
    return np.asarray(values)
