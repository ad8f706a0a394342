"""Decides which environment variables a kernel gets, wherever a notebook runs."""

from __future__ import annotations

from collections.abc import Mapping

# Settings of a reader or a CI service that would change a notebook's outputs: how to
# draw figures and show text, where Python and IPython look for start-up code, and what
# the frameworks compute with.
DROPPED = (
    "COLUMNS", "CUDA_VISIBLE_DEVICES", "FORCE_COLOR", "IPYTHON", "JAX_", "KERAS_",
    "LINES", "MATPLOTLIB", "MKL_", "MPL", "MXNET_", "NO_COLOR", "OMP_", "PYTHONINSPECT",
    "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS", "TF_", "TORCH_", "XLA_",
)  # fmt: skip
"""Kernels don't get variables with names that begin like this."""

SET = {
    # TensorFlow's C++ log bypasses Python's stderr, so nbval doesn't see it.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Notebooks run side by side, and competing threads would slow each other down many
    # times. One thread also rounds the same way on any number of cores.
    "OMP_NUM_THREADS": "1",
}


FOR_KERNELS = "BOOKTOOLS_KERNEL_"
"""Prefix of variables that a caller can set for kernels anyway, say for a trial."""


def kernel_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a kernel, given the caller's."""
    kept = {k: v for k, v in caller.items() if not k.upper().startswith(DROPPED)}
    chosen = {
        name.removeprefix(FOR_KERNELS): value
        for name, value in caller.items()
        if name.startswith(FOR_KERNELS)
    }
    return kept | SET | chosen
