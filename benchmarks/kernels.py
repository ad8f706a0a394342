"""Runs cells in Jupyter kernels and collects the figures that they report."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from benchmarks.work import MARK


class Kernel:
    """A running kernel.

    Args:
        python: The interpreter; its environment must have ipykernel.
        env: The environment variables.
        cwd: The folder to run in.
    """

    def __init__(self, python: str, env: dict[str, str], cwd: Path) -> None:
        self.manager = KernelManager()
        self.manager.kernel_spec.argv[0] = python
        # Errors arrive as messages; standard error holds only the kernel's own log.
        self.manager.start_kernel(env=env, cwd=str(cwd), stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def run(self, code: str) -> dict[str, Any]:
        """Run a cell; return what it reported, or raise its traceback."""
        reported: dict[str, Any] = {}

        def hook(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            if message["msg_type"] == "stream":
                reported.update(figures_in(content["text"]))

        self.client.execute_interactive(code, output_hook=hook, timeout=1800)
        return reported

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def figures_in(text: str) -> dict[str, Any]:
    """Return the figures in the output of a cell or a script."""
    lines = [line for line in text.splitlines() if line.startswith(MARK)]
    return {k: v for line in lines for k, v in json.loads(line[len(MARK) :]).items()}
