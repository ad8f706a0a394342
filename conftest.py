"""Makes nbval compare notebooks by the rules of booktools, and prepares its kernels.

It skips notebooks if their framework isn't installed. To check a notebook, you need
only its framework, pytest and nbval.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from queue import Empty
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

from booktools import ALL, FRAMEWORKS, chosen_frameworks, missing_modules
from booktools.execution.compare import drawings_agree, picture_difference, texts_agree
from booktools.execution.environment import kernel_environment
from booktools.execution.forks import SUPPORTED, Forks

PICTURE = re.compile("iVBORw0KGgo|/9j/")  # PNG and JPEG in base64
BUDGET = 30  # seconds for one notebook, on two cores that do nothing else


class KernelDied(Exception):
    """The kernel ended while we waited for a cell."""


class Value(str):
    """An output that equals all outputs it agrees with, since nbval compares by ==."""

    def __new__(cls, text: str, agree: Callable[[str, str], bool]) -> Value:
        value = super().__new__(cls, text)
        value.agree = agree
        return value

    def __eq__(self, other: object) -> bool:
        return self.agree(str(self), str(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Notebook(IPyNbFile):
    """A notebook that may redraw its figures, as animations do.

    Attributes:
        cells: its code cells.
        reached: how many of them this kernel has run or skipped.
    """

    def collect(self) -> Iterator[Cell]:
        self.cells = [
            Cell.from_parent(
                self,
                name=item.name,
                cell_num=item.cell_num,
                cell=item.cell,
                options=item.options,
            )
            for item in super().collect()
        ]
        return iter(self.cells)

    def setup(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if command := _forking(self):
                kernel = {"argv": command, "display_name": "", "language": "python"}
                patch.setattr("ipykernel.kernelspec.get_kernel_dict", lambda: kernel)
            try:
                super().setup()
            except RuntimeError:  # it died because another program took its port
                super().setup()
        self.shown: dict[str, NotebookNode] = {}
        self.reached = 0
        receive = self.kernel.get_message

        def get_message(stream: str, timeout: float) -> dict:
            # If the kernel is gone, nbval would wait until the cell's timeout.
            end = time.monotonic() + timeout
            while True:
                left = end - time.monotonic()
                try:
                    return receive(stream, min(1, left))
                except Empty:
                    if not self.kernel.is_alive():
                        raise KernelDied from None
                    if left <= 1:
                        raise

        self.kernel.get_message = get_message

    def get_kernel_message(self, timeout=None, stream="iopub") -> dict:
        # nbval keeps the first output and drops its updates. A front end keeps the
        # last one, so that is the one in the stored notebook.
        message = super().get_kernel_message(timeout, stream)
        content = message["content"]
        if name := content.get("transient", {}).get("display_id"):
            output = self.shown.setdefault(name, NotebookNode())
            output.clear()
            output.update(content["data"])
            content["data"] = output
            if message["msg_type"] == "update_display_data":
                message["msg_type"] = "comm_msg"  # nbval ignores these
        return message


class Cell(IPyNbCell):
    """A cell that compares its outputs by the rules of booktools."""

    def runtest(self) -> None:
        # nbval compares nothing if the stored cell was never run.
        if self.cell.execution_count is None:
            self.raise_cell_error("The stored cell was never run; run: make notebooks")
        # If only some cells are selected (-k, --lf), run the earlier ones first.
        for cell in self.parent.cells[self.parent.reached : self.cell_num]:
            if not cell.options["skip"]:
                cell.run(check=False)
        self.run(check=self.options["check"])

    def run(self, check: bool) -> None:
        """Run the cell in the notebook's kernel; if ``check``, compare its outputs."""
        self.parent.reached = max(self.parent.reached, self.cell_num + 1)
        self.options["check"] = check
        self.output_timeout = 60  # outputs can lag behind on a busy machine
        if not self.parent.kernel.is_alive():
            self.raise_cell_error("Not run: the kernel died in an earlier cell")
        try:
            super().runtest()
        except KernelDied:
            self.raise_cell_error(
                "The kernel died in this cell, or was killed; was there enough memory?"
            )

    def sanitize(self, s: object) -> object:
        s = super().sanitize(s)
        if not isinstance(s, str):
            return s
        if PICTURE.match(s):
            return Value(s, lambda *pictures: picture_difference(*pictures) is None)
        return Value(s, drawings_agree if "<svg" in s else texts_agree)

    def compare_outputs(self, test: list, ref: list, skip_compare=None) -> bool:
        # By default nbval doesn't compare pictures.
        skip = [key for key in self.parent.skip_compare if "image/" not in key]
        return super().compare_outputs(test, ref, skip)

    def format_output_compare(self, key: str, left: str, right: str) -> None:
        if PICTURE.match(left):
            difference = picture_difference(left, right)
            self.comparison_traceback.append(f"mismatch '{key}': {difference}")
        else:
            super().format_output_compare(key, left, right)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Iterator[None]:
    found = yield
    return [
        Notebook.from_parent(each.parent, path=each.path)
        if type(each) is IPyNbFile
        else each
        for each in found
    ]


def pytest_configure(config: pytest.Config) -> None:
    # xdist would mix the frameworks, and each worker would import them again and again.
    config.option.loadscopereorder = False
    marks = {tag: f"needs {each.title}" for tag, each in FRAMEWORKS.items()}
    marks |= {"notebook": "runs a cell of a notebook", "browser": "needs Chromium"}
    for name, says in marks.items():
        config.addinivalue_line("markers", f"{name}: {says}")


def pytest_itemcollected(item: pytest.Item) -> None:
    if not isinstance(item, Cell):
        return
    folder = item.path.parent.name
    item.add_marker("notebook")
    for tag in FRAMEWORKS if folder == ALL else {folder} & FRAMEWORKS.keys():
        item.add_marker(tag)
    if folder in FRAMEWORKS and folder not in chosen_frameworks():
        item.add_marker(pytest.mark.skip(reason="FRAMEWORK does not name it"))
    missing = missing_modules(folder) if folder in (ALL, *FRAMEWORKS) else []
    if missing:
        reason = f"{' and '.join(missing)} is not installed (README: what runs where)"
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    if not isinstance(item, Cell):
        return (yield)
    # The kernel that starts now inherits these.
    wanted = kernel_environment(os.environ)
    # JAX compiles again for every training run, so kernels share a cache.
    wanted["JAX_COMPILATION_CACHE_DIR"] = _compiled().name
    wanted["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    with mock.patch.dict(os.environ, wanted, clear=True):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    spent: Counter[str] = Counter()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        path = getattr(report, "nodeid", "").partition("::")[0]
        if path.endswith(".ipynb"):
            spent[path] += getattr(report, "duration", 0)
    if not spent:
        return
    terminalreporter.section("slowest notebooks")
    for path, seconds in spent.most_common(10):
        terminalreporter.line(f"{seconds:7.1f} s  {path}")
    over = sum(seconds > BUDGET for seconds in spent.values())
    terminalreporter.line(
        f"{spent.total():7.1f} s  all {len(spent)}; {over} took more than {BUDGET} s, "
        "the budget of each"
    )


@cache
def _compiled() -> TemporaryDirectory:
    return TemporaryDirectory(prefix="jax-")


_forks: dict[str, Forks] = {}


def _forking(notebook: Notebook) -> list[str]:
    """Return a command that starts kernels with the framework already imported.

    It is empty if a server isn't worth it, for example for a single notebook. We keep
    only one server, because the notebooks of a framework run one after the other.
    """
    folder = notebook.path.parent
    cells = (item.path for item in notebook.session.items if isinstance(item, Cell))
    several = len({path for path in cells if path.parent == folder}) > 1
    tag = folder.name
    if not (SUPPORTED and several and tag in FRAMEWORKS):
        return []
    if tag not in _forks:
        while _forks:
            _forks.popitem()[1].stop()
        framework = FRAMEWORKS[tag]
        modules = f"d2lutils.{framework.module}", *framework.others
        _forks[tag] = Forks(modules, dict(os.environ))
    return _forks[tag].command
