"""Says which environment variables a kernel gets, wherever a notebook is run."""

from __future__ import annotations

from collections.abc import Mapping

# Settings of a reader's or of a CI service's that would change what a notebook puts
# out: how figures are drawn and texts are shown, where Python and IPython look for
# start-up code, and what the frameworks compute with.
DROPPED = (
    "COLUMNS", "CUDA_VISIBLE_DEVICES", "FORCE_COLOR", "IPYTHON", "JAX_", "KERAS_",
    "LINES", "MATPLOTLIB", "MKL_", "MPL", "MXNET_", "NO_COLOR", "OMP_", "PYTHONINSPECT",
    "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS", "TF_", "TORCH_", "XLA_",
)  # fmt: skip
"""Beginnings of names."""

SET = {
    # TensorFlow's C++ log goes past Python's stderr; nbval does not see it.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Notebooks run side by side, and threads that wait for one another's processor
    # take many times as long. One thread also rounds alike on any number of cores.
    "OMP_NUM_THREADS": "1",
}


FOR_KERNELS = "BOOKTOOLS_KERNEL_"
"""Begins the name of what a caller sets for kernels all the same, as for a trial."""


def kernel_environment(caller: Mapping[str, str]) -> dict[str, str]:
    """Make a kernel's environment variables of the caller's."""
    kept = {k: v for k, v in caller.items() if not k.upper().startswith(DROPPED)}
    chosen = {
        name.removeprefix(FOR_KERNELS): value
        for name, value in caller.items()
        if name.startswith(FOR_KERNELS)
    }
    return kept | SET | chosen
