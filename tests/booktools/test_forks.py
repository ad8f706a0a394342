"""Tests that forked kernels behave like any other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from booktools.execution.environment import kernel_environment
from booktools.execution.forks import SUPPORTED, Forks
from waiting import eventually

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="kernels are forked on Linux")


@contextlib.contextmanager
def server(folder, code: str) -> Iterator[Forks]:
    """Start a server that has imported a module with this code."""
    (folder / "heavy.py").write_text(code, encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    forks = Forks(["heavy"], kernel_environment(os.environ) | {"PYTHONPATH": path})
    yield forks
    forks.stop()
    assert forks.server.poll() is not None


@contextlib.contextmanager
def kernel(forks: Forks, folder) -> Iterator[tuple]:
    """Start a kernel; yield its manager and a function that runs code in it."""

    class Specs(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(argv=forks.command, language="python")

    manager = KernelManager(kernel_spec_manager=Specs())
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)

    def say(code: str, after=None) -> str:
        said: list[str] = []

        def hear(message: dict) -> None:
            content = message["content"]
            said.append(content.get("text", "") or content.get("ename", ""))
            if after and content.get("text"):
                after()

        client.execute_interactive(code, timeout=60, output_hook=hear)
        return "".join(said)

    yield manager, say
    client.stop_channels()
    manager.shutdown_kernel(now=True)


IDENTITY = """
import os, sys, numpy
print(os.getpid(), os.getppid(), 'heavy' in sys.modules, os.getcwd(),
      numpy.random.rand())
"""


def test_kernels_share_the_import_but_no_state(tmp_path):
    with server(tmp_path, "") as forks:
        with kernel(forks, tmp_path) as (manager, say):
            one = say(IDENTITY).split()
            say("import heavy; heavy.mark = 1")
            busy = "print('busy')\nwhile True: pass"
            assert say(busy, manager.interrupt_kernel) == "busy\nKeyboardInterrupt"
            assert say("print(1)") == "1\n"
        gone = eventually(lambda: not Path("/proc", one[0]).exists())
        assert gone, "the kernel outlived its stand-in"
        with kernel(forks, tmp_path) as (manager, say):
            other = say(IDENTITY).split()
            assert say("import heavy; print(hasattr(heavy, 'mark'))") == "False\n"
            say("import os, threading; threading.Timer(0.2, os._exit, [9]).start()")
            assert eventually(lambda: not manager.is_alive())
        assert one[1:4] == other[1:4] == [str(forks.server.pid), "True", str(tmp_path)]
        assert one[4] != other[4], "both drew the same numbers"


def test_a_kernel_imports_by_itself_if_forking_is_unsafe(tmp_path):
    thread = "import threading; threading.Timer(99, print).start()"
    with server(tmp_path, thread) as forks, kernel(forks, tmp_path) as (_, say):
        _, parent, imported, folder, _ = say(IDENTITY).split()
        assert (parent, imported) == (str(os.getpid()), "False")
        assert folder == str(tmp_path)
