"""Runs notebooks in kernels of their own, reproducibly, and brings them up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellTimeoutError
from nbformat import NotebookNode

from booktools import ALL, FRAMEWORKS, SourceError, absence, missing_modules
from booktools.execution.environment import kernel_environment
from booktools.execution.jobs import Job
from booktools.execution.stored import (
    ANSI,
    carry_outputs,
    describe_pictures,
    tidy_outputs,
    validate_outputs,
    write_notebook,
)
from booktools.execution.weights import kept_weights, write_weights

# nbclient's log repeats errors that we report by file and line.
QUIET = logging.getLogger(f"{__name__}.nbclient")
QUIET.disabled = True


class Kernels:
    """The kernels that are running, so we can stop all of them at once."""

    def __init__(self) -> None:
        self._made: list[AsyncKernelManager] = []
        self.stopped = False

    def new(self) -> AsyncKernelManager:
        """Return the manager for a new kernel with the current Python."""
        # In its folders, Jupyter might find a kernel for another Python.
        specs = KernelSpecManager(kernel_dirs=[])
        self._made.append(AsyncKernelManager(kernel_spec_manager=specs))
        return self._made[-1]

    def stop(self) -> None:
        """Kill all kernels and the processes they started, and start no more."""
        self.stopped = True
        for manager in self._made:
            # Windows has no SIGKILL, but its SIGTERM kills too.
            number = getattr(signal, "SIGKILL", signal.SIGTERM)
            with contextlib.suppress(RuntimeError, OSError):  # not started, or ended
                asyncio.run(manager.signal_kernel(number))


def update(
    job: Job,
    force: bool = False,
    timeout: int | None = None,
    kernels: Kernels | None = None,
) -> str:
    """Bring a notebook up to date with its section, and say what was done.

    We execute it if ``force`` is set or its outputs can't be kept (:meth:`Job.cause`).
    ``timeout`` is in seconds, for each cell.

    Raises:
        SourceError: a cell raised, took too long, or has output that may not be
            stored, or the kernel died. Then the notebook on disk is unchanged.
    """
    if not force and job.cause() is None:
        carry_outputs(job.fresh, job.stored)
        describe_pictures(job.fresh, job.alts)
        written = write_notebook(job.fresh, job.path)
        return "updated, outputs kept" if written else "unchanged"
    if missing := missing_modules(job.framework):
        return f"skipped: {absence(missing)} in this environment"
    execute(job, timeout, kernels or Kernels())
    write_notebook(job.fresh, job.path)
    return "executed"


def update_all(
    wanted: list[Job], workers: int, report: Callable[[Job, str], None], **options
) -> list[SourceError]:
    """Bring notebooks up to date, several at a time, each in its own kernel.

    We call ``report`` with each notebook and what was done, and pass ``options`` to
    :func:`update`.

    Returns:
        The errors. If a notebook fails, the others still run.

    Raises:
        KeyboardInterrupt: the user stopped it, and all kernels have been killed.
    """
    failed: list[SourceError] = []
    kernels = Kernels()

    def run(job: Job) -> None:
        if kernels.stopped:
            return
        try:
            done = update(job, kernels=kernels, **options)
        except Exception as error:
            if kernels.stopped:
                return
            if not isinstance(error, SourceError):
                text = f"cannot be made: {type(error).__name__}: {error}"
                error = SourceError(job.page.path, 1, f"{job.shown} {text}")
            failed.append(error)
            done = "failed"
        report(job, done)

    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(run, wanted))
        except KeyboardInterrupt:
            kernels.stop()
            raise
    return failed


def execute(job: Job, timeout: int | None, kernels: Kernels) -> None:
    """Run a notebook in a kernel of its own and put the outputs into it."""
    # Jupyter and nbval run the notebook in its folder.
    job.path.parent.mkdir(parents=True, exist_ok=True)
    metadata = job.fresh.metadata.copy()
    with kept_weights(job.fresh, job.keeps) as kept:
        # A kernel dies at once if another program has taken one of its ports.
        if not _run(job, timeout, kernels) and not _run(job, timeout, kernels):
            raise _at(job, 0, "failed: its kernel died twice before it was ready")
    # The kernel reports its own version there.
    job.fresh.metadata = metadata
    for index, cell in enumerate(job.fresh.cells):
        if cell.cell_type == "code":
            tidy_outputs(cell)
            if message := validate_outputs(cell):
                raise _at(job, index, message)
    describe_pictures(job.fresh, job.alts)
    for path, arrays in kept.items():
        write_weights(arrays, job.root / path)
    job.fresh.metadata.booktools.executed = job.made_with(job.fresh)


def _run(job: Job, timeout: int | None, kernels: Kernels) -> bool:
    """Run the cells, and return whether the kernel started."""
    at: list[int] = []

    def begin(cell: NotebookNode, cell_index: int) -> None:
        if kernels.stopped:  # stop() came before this kernel started
            raise RuntimeError("stopped")
        at.append(cell_index)

    manager = kernels.new()
    client = NotebookClient(
        job.fresh,
        km=manager,
        timeout=timeout,
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        # ipykernel warns about TCP, although we use it only on this machine, and
        # reports every interrupt, even the one before every shutdown.
        extra_arguments=["--log-level=CRITICAL"],
        resources={"metadata": {"path": str(job.path.parent)}},
        on_cell_start=begin,
        log=QUIET,
    )
    # Otherwise nbclient leaves the kernel running.
    client.owns_km = True
    # The kernel imports the book's own d2lutils.
    environment = kernel_environment(os.environ)
    paths = [str(job.root.resolve()), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    try:
        client.execute(env=environment)
    except (CellControlSignal, CellTimeoutError) as error:
        text = ANSI.sub("", getattr(error, "traceback", "") or str(error)).strip()
        raise _at(job, at[-1], f"failed:\n{text}") from None
    except RuntimeError:  # such as DeadKernelError
        client.km = manager  # nbclient uses it again when Python exits
        if not at and not kernels.stopped:
            return False
        message = (
            "failed: its kernel was killed, perhaps because memory ran out; with "
            "--jobs 1 only one notebook runs at a time"
        )
        raise _at(job, at[-1] if at else 0, message) from None
    return True


def _at(job: Job, index: int, message: str) -> SourceError:
    title = FRAMEWORKS[job.framework].title if job.framework in FRAMEWORKS else ALL
    # The cell that saves weights comes after the last cell of the section.
    line = job.lines[min(index, len(job.lines) - 1)]
    return SourceError(job.page.path, line, f"the cell, run for {title}, {message}")
