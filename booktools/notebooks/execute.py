"""Runs notebooks in kernels of their own, reproducibly, and brings them up to date."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

from booktools import ALL, FRAMEWORKS, SourceError, missing_modules
from booktools.notebooks.environment import kernel_environment
from booktools.notebooks.jobs import Job
from booktools.notebooks.stored import (
    ANSI,
    carry_outputs,
    same_code,
    validate_outputs,
    write_notebook,
)
from booktools.notebooks.weights import kept_weights, weights_path, write_weights


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the Python that runs this.

    A kernel called python3 that someone installed for another Python would come
    first otherwise.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f"]
        return KernelSpec(
            argv=[*command, "{connection_file}"],
            display_name="Python 3",
            language="python",
        )


def update(job: Job, force: bool = False, timeout: int | None = None) -> str:
    """Bring a notebook up to date with its section, and say in a word what was done.

    It is executed where its code changed, or where ``force`` says so; where only prose
    did, its outputs stay. ``timeout`` is in seconds, for each cell.

    Raises:
        SourceError: a cell raised, or put out what may not be stored. The notebook
            on disk is then as it was.
    """
    if not force and job.stored and job.problem() is None:
        return "unchanged"
    keep = not force and job.stored and same_code(job.fresh, job.stored)
    if keep and all(
        cell.execution_count for cell in job.stored.cells if cell.cell_type == "code"
    ):
        carry_outputs(job.fresh, job.stored)
        write_notebook(job.fresh, job.path)
        return "prose updated"
    if missing := missing_modules(job.framework):
        return f"skipped: {', '.join(missing)} not installed in this environment"
    execute(job, timeout)
    write_notebook(job.fresh, job.path)
    return "executed"


def update_all(
    wanted: list[Job], workers: int, report: Callable[[Job, str], None], **options
) -> list[SourceError]:
    """Bring notebooks up to date, several at a time, each in its own kernel.

    What was done with each goes to ``report``; ``options`` are those of :func:`update`.

    Returns:
        What failed; one that fails does not stop the others.
    """
    failed: list[SourceError] = []

    def run(job: Job) -> None:
        try:
            done = update(job, **options)
        except SourceError as error:
            failed.append(error)
            done = "failed"
        report(job, done)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, wanted))
    return failed


def execute(job: Job, timeout: int | None = None) -> None:
    """Run a notebook in a kernel of its own and put the outputs into it.

    Raises:
        SourceError: a cell raised, took too long, or put out what may not be stored.
    """
    # The folder in which Jupyter and nbval run it.
    job.path.parent.mkdir(parents=True, exist_ok=True)
    metadata = job.fresh.metadata.copy()
    running = {"cell": 0}
    client = NotebookClient(
        job.fresh,
        km=AsyncKernelManager(kernel_spec_manager=_ThisInterpreter()),
        timeout=timeout,
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        # ipykernel warns that it talks over TCP, which here is this machine only.
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(job.path.parent)}},
        on_cell_start=lambda cell, cell_index: running.update(cell=cell_index),
    )
    # Else nbclient leaves the kernel running.
    client.owns_km = True
    try:
        with kept_weights(job.fresh, job.page.section.name, job.framework) as weights:
            client.execute(env=kernel_environment(os.environ))
    except (CellControlSignal, CellTimeoutError, DeadKernelError) as error:
        text = ANSI.sub("", getattr(error, "traceback", "") or str(error)).strip()
        if isinstance(error, DeadKernelError):
            text = "the kernel died; was there enough memory?"
        raise _at(job, running["cell"], f"failed:\n{text}") from None
    # The kernel reports its own version there.
    job.fresh.metadata = metadata
    for index, cell in enumerate(job.fresh.cells):
        if cell.cell_type == "code" and (message := validate_outputs(cell)):
            raise _at(job, index, message)
    write_weights(weights, weights_path(job.path.parents[2], job.page.section.name))


def _at(job: Job, index: int, message: str) -> SourceError:
    title = FRAMEWORKS[job.framework].title if job.framework in FRAMEWORKS else ALL
    return SourceError(
        job.page.path, job.lines[index], f"the cell, run for {title}, {message}"
    )
