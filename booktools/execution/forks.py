"""Starts kernels by forking a process that has already imported their framework.

Importing a framework takes seconds, and every notebook would do it again. A server
imports it once, computes nothing, and forks itself for each kernel. Jupyter starts a
stand-in, which asks the server for a kernel and lives as long as it does. If an import
started a thread, the server can't fork safely, and the stand-in becomes the kernel.

The stand-in runs this file on its own, so the file imports nothing of ``booktools``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

SUPPORTED = sys.platform == "linux"
"""Other systems have no fork, or their own libraries don't survive one."""

ALWAYS = ("ipykernel.kernelapp", "matplotlib.pyplot")
"""Modules that every notebook imports."""


class Forks:
    """A server that forks kernels and ends with the process that started it.

    Args:
        modules: the names of the modules that it imports.
        environment: the environment variables of its kernels.
    """

    def __init__(self, modules: Sequence[str], environment: dict[str, str]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="forks-")
        self.path = str(Path(self.folder.name, "socket"))
        # Bind it here, so stand-ins can connect before the server is ready.
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen()
        number = listening.fileno()
        self.server = subprocess.Popen(
            [sys.executable, "-P", __file__, "serve", str(number), *modules],
            pass_fds=[number],
            # IPython sets this too late for modules that are already imported.
            env={"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
            | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        listening.close()

    @property
    def command(self) -> list[str]:
        """The command that starts a kernel; Jupyter fills in ``connection_file``."""
        run = [sys.executable, "-IS", __file__, "stand-in", self.path]
        return [*run, "{connection_file}"]

    def stop(self) -> None:
        """End the server and all kernels that still run."""
        self.server.kill()
        self.server.wait()
        self.server.stdin.close()
        self.folder.cleanup()


def serve(number: str, *modules: str) -> None:
    """Import modules, then fork a kernel for each connection."""
    with socket.socket(fileno=int(number)) as server:
        for name in (*ALWAYS, *modules):
            import_module(name)
        if len(os.listdir("/proc/self/task")) > 1:
            return
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels
        # Nobody writes to stdin; it becomes readable when the parent process ends.
        while server in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if os.fork():
                connection.close()
                continue
            server.close()
            _become_kernel(connection)


def _become_kernel(connection: socket.socket) -> None:
    import numpy
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    # Otherwise all copies would draw the same numbers in notebooks without a seed.
    random.seed()
    numpy.random.seed()
    folder, connection_file = json.loads(connection.makefile().readline())
    os.chdir(folder)
    connection.sendall(b"!")

    def obey() -> None:
        while connection.recv(1):
            os.kill(os.getpid(), signal.SIGINT)
        os.killpg(0, signal.SIGKILL)  # the stand-in is gone

    threading.Thread(target=obey, daemon=True).start()
    try:
        IPKernelApp.launch_instance(argv=["-f", connection_file])
    finally:
        os._exit(0)


def stand_in(path: str, connection_file: str) -> None:
    """Ask the server for a kernel and wait until it ends; if that fails, become one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps([os.getcwd(), connection_file]).encode() + b"\n")
        if connection.recv(1):
            signal.signal(signal.SIGINT, lambda *_: connection.send(b"!"))
            connection.recv(1)
            return
    kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", connection_file]
    os.execv(sys.executable, kernel)


if __name__ == "__main__":
    (serve if sys.argv[1] == "serve" else stand_in)(*sys.argv[2:])
