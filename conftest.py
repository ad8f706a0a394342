"""Lets nbval compare notebooks by the rules of booktools, and prepares its kernels.

Notebooks of a framework that is not installed are skipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from tempfile import TemporaryDirectory

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

from booktools import ALL, FRAMEWORKS, missing_modules
from booktools.notebooks.compare import drawings_agree, texts_agree
from booktools.notebooks.execute import kernel_environment

PICTURE = re.compile("iVBORw0KGgo|/9j/")  # PNG and JPEG in base64


def both_there(stored: str, new: str) -> bool:
    """Agree: how many outputs of a kind there are is compared by nbval itself."""
    return True


class Value(str):
    """An output and when it agrees; nbval asks of two only whether they are equal."""

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
    """A notebook whose figures may be drawn again, as an animation does."""

    def setup(self) -> None:
        try:
            super().setup()
        except RuntimeError:  # died at once: another program was given one of its ports
            super().setup()
        self.shown: dict[str, NotebookNode] = {}

    def get_kernel_message(self, timeout=None, stream="iopub") -> dict:
        # nbval keeps what is shown first and drops the updates; a front end, and so
        # the stored notebook, holds what was shown last.
        message = super().get_kernel_message(timeout, stream)
        content = message["content"]
        if name := content.get("transient", {}).get("display_id"):
            output = self.shown.setdefault(name, NotebookNode())
            output.clear()
            output.update(content["data"])
            content["data"] = output
            if message["msg_type"] == "update_display_data":
                message["msg_type"] = "comm_msg"  # passed over
        return message


class Cell(IPyNbCell):
    """A cell whose outputs are compared by the rules above."""

    def runtest(self) -> None:
        # nbval compares nothing where the stored cell was never run.
        if self.cell.execution_count is None:
            self.raise_cell_error("The stored cell was never run; run: make notebooks")
        super().runtest()

    def sanitize(self, s: object) -> object:
        s = super().sanitize(s)
        if not isinstance(s, str):
            return s
        if PICTURE.match(s):
            return Value(s, both_there)
        return Value(s, drawings_agree if "<svg" in s else texts_agree)

    def compare_outputs(self, test: list, ref: list, skip_compare=None) -> bool:
        # nbval overlooks pictures altogether; here they have to be there.
        skip = [key for key in self.parent.skip_compare if "image/" not in key]
        return super().compare_outputs(test, ref, skip)


def pytest_itemcollected(item: pytest.Item) -> None:
    if type(item) is not IPyNbCell:
        return
    item.__class__, item.parent.__class__ = Cell, Notebook
    folder = item.path.parent.name
    missing = missing_modules(folder) if folder in (ALL, *FRAMEWORKS) else []
    if missing:
        reason = f"{' and '.join(missing)} is not installed (README: what runs where)"
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(item, Cell):  # the kernel that starts now inherits these
            wanted = kernel_environment(os.environ)
            for name in set(os.environ) - set(wanted):
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            # JAX compiles anew for every training; the kernels share what it made.
            patch.setenv("JAX_COMPILATION_CACHE_DIR", _compiled().name)
            patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        return (yield)


@cache
def _compiled() -> TemporaryDirectory:
    return TemporaryDirectory(prefix="jax-")
