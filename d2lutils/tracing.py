"""Tells when TensorFlow may run a function as a graph without anyone noticing.

A graph is made by calling a function once; from then on its Python code is not run
again. That is safe only if the code does nothing but compute: it may not print, store,
draw random numbers or branch on data. :func:`look` reads the bytecode to find out, and
admits only what it knows: an unknown name or instruction means no.
"""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import tensorflow as tf


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that may follow a dot: functions of TensorFlow and Keras without side effects
# and without randomness, and properties of tensors. Not here, on purpose: numpy, print,
# assign, random, Variable, function, py_function, append, ...
NAMES = _words(
    """
    nn math linalg keras losses activations
    shape dtype rank ndim T float16 float32 float64 int32 int64 bool
    reshape transpose matmul tensordot einsum concat stack squeeze expand_dims cast
    constant zeros ones zeros_like ones_like fill eye one_hot where gather range
    maximum minimum add subtract multiply divide negative abs sign square sqrt pow
    exp log log1p sigmoid tanh softplus clip_by_value equal not_equal greater less
    greater_equal less_equal logical_and logical_or logical_not
    reduce_sum reduce_mean reduce_max reduce_min reduce_logsumexp argmax
    relu relu6 leaky_relu elu selu gelu silu swish softmax log_softmax bias_add
    softmax_cross_entropy_with_logits sparse_softmax_cross_entropy_with_logits
    sparse_categorical_crossentropy categorical_crossentropy mean_squared_error
    """
)

BUILTINS = _words(
    """
    abs bool enumerate float int len list max min pow range reversed round sum tuple
    zip
    """
)

# Instructions that neither store outside the function nor catch an error (which might
# be the very error by which TensorFlow refuses to branch on a tensor). Jumps are here:
# a branch on Python values goes the same way every time, one on a tensor fails.
INSTRUCTIONS = _words(
    """
    CACHE COMPARE_OP CONTAINS_OP COPY COPY_FREE_VARS DUP_TOP END_FOR EXTENDED_ARG
    FOR_ITER GET_ITER IS_OP KW_NAMES LIST_TO_TUPLE NOP NOT_TAKEN POP_ITER POP_TOP
    PRECALL PUSH_NULL RESUME ROT_THREE ROT_TWO SWAP TO_BOOL UNPACK_SEQUENCE
    """
)
FAMILIES = (
    "BINARY_",
    "BUILD_LIST",
    "BUILD_SLICE",
    "BUILD_TUPLE",
    "CALL",
    "JUMP_",
    "LOAD_ATTR",
    "LOAD_CONST",
    "LOAD_DEREF",
    "LOAD_FAST",
    "LOAD_GLOBAL",
    "LOAD_METHOD",
    "LOAD_SMALL_INT",
    "POP_JUMP_",
    "RETURN_",
    "STORE_FAST",
    "UNARY_",
)

# Layers that compute and do nothing else; Dropout draws, BatchNormalization stores.
LAYERS = ("Activation", "Dense", "Flatten", "InputLayer", "ReLU", "Reshape")

SCALARS = (type(None), bool, int, float, str, np.generic, tf.DType)


def look(*functions: Any) -> list[Any] | None:
    """Return all that functions depend on, or ``None`` if one may not become a graph.

    Args:
        functions: Functions, Keras' losses, or models made of Keras' own layers.

    Returns:
        The objects that were met on the way: functions, their code, variables,
        numbers. As long as :func:`same` finds two such lists equal, a graph made in
        between is still true to the functions.
    """
    found: list[Any] = []
    return found if all(_admit(function, found) for function in functions) else None


def same(a: list[Any], b: list[Any]) -> bool:
    """Whether two looks met the same objects, and numbers of the same value."""
    return len(a) == len(b) and all(
        x is y or (type(x) is type(y) and isinstance(x, SCALARS) and x == y)
        for x, y in zip(a, b, strict=True)
    )


def _admit(value: Any, found: list[Any]) -> bool:
    """Note a value and all that it refers to; say whether all of it is harmless."""
    if not isinstance(value, SCALARS) and any(value is known for known in found):
        return True
    found.append(value)
    if isinstance(value, (*SCALARS, tf.Tensor, tf.Variable, tf.keras.Variable)):
        return True
    if type(value) in (tuple, list):
        found.append(len(value))
        return all(_admit(item, found) for item in value)
    if isinstance(value, ModuleType):
        return _is_tensorflow(value.__name__)
    if isinstance(value, FunctionType):
        return _admit_function(value, found)
    return _admit_keras(value, found)


def _is_tensorflow(module: str) -> bool:
    return module.partition(".")[0] in ("tensorflow", "keras")


def _admit_function(function: FunctionType, found: list[Any]) -> bool:
    if _is_tensorflow(function.__module__ or ""):
        return function.__name__ in NAMES
    names = _globals_of(function.__code__)
    if names is None:
        return False
    found.append(function.__code__)
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    try:
        values += [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a variable that has no value yet
        return False
    for name in names:
        if name in function.__globals__:
            values.append(function.__globals__[name])
        elif name not in BUILTINS or not hasattr(builtins, name):
            return False
    return all(_admit(value, found) for value in values)


@functools.lru_cache(maxsize=256)
def _globals_of(code: CodeType) -> tuple[str, ...] | None:
    """Return the global names that code reads; ``None`` if it may do more."""
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE):
        return None
    names = []
    for step in dis.get_instructions(code):
        if step.opname not in INSTRUCTIONS and not step.opname.startswith(FAMILIES):
            return None
        if step.opname.startswith("LOAD_GLOBAL"):
            names.append(step.argval)
        is_dotted = step.opname.startswith(("LOAD_ATTR", "LOAD_METHOD"))
        if is_dotted and step.argval not in NAMES:
            return None
        # In-place operators would change a list that others hold, too.
        if step.opname == "BINARY_OP" and step.argrepr.endswith("="):
            return None
    return tuple(dict.fromkeys(names))


def _admit_keras(value: Any, found: list[Any]) -> bool:
    """Admit losses of Keras' own, and models and layers that only compute."""
    kind = type(value)
    if kind.__module__.startswith("keras.src.losses."):
        return kind.__name__ != "LossFunctionWrapper"  # which calls anything
    if kind is tf.keras.Sequential and value.built:
        found.extend(value.trainable_variables)
        return all(_admit(layer, found) for layer in value.layers)
    if not kind.__module__.startswith("keras.src.layers.") or not value.built:
        return False
    activation = getattr(value, "activation", None)
    found.extend((activation, *value.variables))
    return kind.__name__ in LAYERS and (
        activation is None or _is_tensorflow(activation.__module__ or "")
    )
