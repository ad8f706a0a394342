"""Writes the notebooks of the sections and runs them, reproducibly."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellControlSignal,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import NotebookNode

from booktools import ALL, FRAMEWORKS, SourceError
from booktools.book import Book, Page
from booktools.plain import split
from booktools.sections import carry_outputs, difference, same_code

KERNEL_ENVIRONMENT = {
    # The outputs in the repository are those of the official data.
    "D2LUTILS_SOURCE": "official",
    # TensorFlow's C++ log goes past Python's stderr; nbval does not see it.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Notebooks run side by side, and threads that wait for one another's processor
    # take many times as long. One thread also rounds alike on any number of cores.
    "OMP_NUM_THREADS": "1",
}

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")

PRIVATE = (
    (ANSI, "terminal colours"),
    (
        re.compile(r"(?:/home/|/Users/|/root/|[A-Za-z]:\\Users\\)\S*"),
        "a machine's path",
    ),
    (re.compile(r"\S*site-packages\S*"), "a machine's path"),
    (re.compile(r"\S*ipykernel_\d+\S*"), "a machine's path"),
    (re.compile(r"<[^<>\n]* at 0x[0-9a-fA-F]+>"), "an address in memory"),
    (re.compile(r"<dc:date>[^<]*</dc:date>"), "the time of day (savefig's Date)"),
)
"""What may not be stored, as it differs from machine to machine or run to run."""


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


@dataclass(frozen=True)
class Job:
    """A notebook of a section: as it is freshly split, and as it is stored."""

    page: Page
    framework: str
    path: Path
    fresh: NotebookNode
    lines: list[int]
    stored: NotebookNode | None

    @property
    def command(self) -> str:
        """What to type to make the notebook anew."""
        return f"python -m booktools notebooks {self.page.section.name}"

    def problem(self) -> SourceError | None:
        """Say how the stored notebook fails its section, or nothing."""
        shown = self.page.section.notebook_path(self.framework).as_posix()
        if self.stored is None:
            line, what = 1, "is missing or cannot be read"
        else:
            found = difference(self.fresh, self.lines, self.stored)
            if found is None:
                return None
            line, what = found
        return SourceError(self.page.path, line, f"{shown} {what}; run: {self.command}")


def job(book: Book, page: Page, framework: str) -> Job:
    """Split a section for a framework, and read what is stored.

    Raises:
        SourceError: the section cannot be split.
    """
    fresh, lines = split(book, page, framework)
    path = book.root / page.section.notebook_path(framework)
    return Job(page, framework, path, fresh, lines, read_notebook(path))


def jobs(book: Book) -> Iterator[Job]:
    """List the notebooks that the book's sections make, each read as by :func:`job`."""
    for page in book.sections:
        for framework in page.section.frameworks:
            yield job(book, page, framework)


def read_notebook(path: Path) -> NotebookNode | None:
    """Read a notebook; nothing where there is none that can be read."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError):
        return None


def orphans(book: Book) -> list[Path]:
    """List the notebooks that no section makes, relative to the book's folder."""
    made = {
        page.section.notebook_path(framework)
        for page in book.sections
        for framework in page.section.frameworks
    }
    stored = (book.root / "notebooks").glob("*/*.ipynb")
    return sorted({path.relative_to(book.root) for path in stored} - made)


def missing_modules(framework: str) -> list[str]:
    """List the modules that a framework's notebooks need and that are not here."""
    wanted = FRAMEWORKS.values() if framework == ALL else [FRAMEWORKS[framework]]
    modules = [each.module for each in wanted]
    return [name for name in modules if importlib.util.find_spec(name) is None]


def update(job: Job, force: bool = False, timeout: int | None = None) -> str:
    """Bring a notebook up to date with its section.

    It is executed where its code changed; where only prose did, its outputs stay.

    Args:
        job: which notebook.
        force: execute it even if nothing changed.
        timeout: seconds that a cell may take, any number if ``None``.

    Returns:
        What was done, in a word or two.

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
        write(job.fresh, job.path)
        return "prose updated"
    if missing := missing_modules(job.framework):
        return f"skipped: {', '.join(missing)} not installed in this environment"
    execute(job, timeout)
    write(job.fresh, job.path)
    return "executed"


def update_all(
    wanted: list[Job], workers: int, report: Callable[[Job, str], None], **options
) -> list[SourceError]:
    """Bring notebooks up to date, several at a time.

    Args:
        wanted: which.
        workers: how many run at the same time, each in its own kernel.
        report: is told of each notebook what was done.
        options: those of :func:`update`.

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
        client.execute(env=os.environ | KERNEL_ENVIRONMENT)
    except (CellControlSignal, CellTimeoutError, DeadKernelError) as error:
        raise _failure(job, running["cell"], error) from None
    # The kernel reports its own version there.
    job.fresh.metadata = metadata
    for index, cell in enumerate(job.fresh.cells):
        if cell.cell_type == "code" and (message := objection(cell)):
            raise _at(job, index, message)


def _failure(job: Job, index: int, error: Exception) -> SourceError:
    if isinstance(error, DeadKernelError):
        text = "the kernel died; was there enough memory?"
    else:
        text = ANSI.sub("", getattr(error, "traceback", "") or str(error)).strip()
    return _at(job, index, f"failed:\n{text}")


def _at(job: Job, index: int, message: str) -> SourceError:
    title = FRAMEWORKS[job.framework].title if job.framework in FRAMEWORKS else ALL
    return SourceError(
        job.page.path, job.lines[index], f"the cell, run for {title}, {message}"
    )


def objection(cell: NotebookNode) -> str | None:
    """Say why the outputs of a code cell may not be stored, if they may not.

    What would differ on another machine or on the next run is refused. Of the
    traceback of a cell that is to raise, only the last line is kept, as the frames
    before it name files of this machine.
    """
    raised = [output for output in cell.outputs if output.output_type == "error"]
    for output in raised:
        output.traceback = [f"{output.ename}: {output.evalue}"]
    if "raises-exception" in cell.metadata.get("tags", []) and not raised:
        return "is tagged raises-exception but raised nothing; remove the tag"
    for output in cell.outputs:
        if output.get("name") == "stderr":
            return (
                "wrote to stderr, which is not stored; silence its cause or print to "
                f"stdout:\n{output.text.strip()}"
            )
        for text in _texts(output):
            for pattern, what in _private():
                if match := pattern.search(text):
                    return f"put out {what}, which may not be stored: {match[0]!r}"
    return None


def _private() -> Iterator[tuple[re.Pattern, str]]:
    yield from PRIVATE
    for path in (sys.prefix, tempfile.gettempdir(), str(Path.cwd())):
        yield re.compile(re.escape(path) + r"\S*"), "a machine's path"


def _texts(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield "\n".join(output.traceback)
    else:
        for kind, data in output.data.items():
            if kind.startswith("text/") or kind == "image/svg+xml":
                yield data


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all, in the same bytes each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.validate(notebook)
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes files that only their owner may read.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
