"""Runs cells in Jupyter kernels, and returns their values."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

Run = Callable[[str], Any]  # runs a cell and returns its value


@contextmanager
def kernel(python: str, env: dict[str, str], cwd: Path, code: str) -> Iterator[Run]:
    """Start a kernel, and yield a function that runs a cell or raises its traceback.

    Args:
        python: The interpreter; its environment must have ipykernel.
        env: The environment variables.
        cwd: The folder to run in.
        code: What to run first.
    """
    manager = KernelManager()
    manager.kernel_spec.argv[0] = python
    client = NotebookClient(new_notebook(), km=manager, timeout=1800)

    def run(code: str) -> Any:
        client.nb.cells = [new_code_cell(code)]
        outputs = client.execute_cell(client.nb.cells[0], 0).outputs
        values = [each for each in outputs if each.output_type == "execute_result"]
        return ast.literal_eval(values[0].data["text/plain"]) if values else None

    # Errors arrive as outputs; standard error holds only the kernel's own log.
    options = {"env": env, "cwd": str(cwd), "stderr": subprocess.DEVNULL}
    with client.setup_kernel(**options, cleanup_kc=True):
        run(code)
        yield run
