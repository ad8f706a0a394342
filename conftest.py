"""Makes nbval compare notebooks by the rules of booktools.agree, and prepares its runs.

The data is found once per run, and every notebook is then run on the same. Notebooks
of a framework that is not installed are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

from booktools import ALL, FRAMEWORKS
from booktools.agree import drawings_agree, out_of_band, texts_agree, without_notes
from booktools.execute import KERNEL_ENVIRONMENT, missing_modules

PICTURE = re.compile("iVBORw0KGgo|/9j/")  # PNG and JPEG in base64
SOURCE = pytest.StashKey[str]()


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
    """A notebook whose figures may be drawn anew, as an animation does."""

    def setup(self) -> None:
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
        standin = self.config.stash[SOURCE] == "standin"
        if PICTURE.match(s) or (standin and "standin" in self.cell.metadata):
            return Value(s, both_there)
        if "<svg" in s:
            return Value(s, both_there if standin else drawings_agree)
        return Value(s, texts_agree)

    def compare_outputs(self, test: list, ref: list, skip_compare=None) -> bool:
        bands = {}
        if self.config.stash[SOURCE] == "standin":
            test = list(without_notes(test))
            bands = self.cell.metadata.get("standin", {})
        # nbval overlooks pictures altogether; here they have to be there.
        skip = [key for key in self.parent.skip_compare if "image/" not in key]
        if not super().compare_outputs(test, ref, skip):
            return False
        if bands != "any":
            self.comparison_traceback += out_of_band(bands, test)
        return not self.comparison_traceback


def pytest_configure(config: pytest.Config) -> None:
    if not (config.option.nbval or config.option.nbval_lax):
        return
    if hasattr(config, "workerinput"):
        config.stash[SOURCE] = config.workerinput["data_source"]
        return
    # Loaded once, before any kernel starts: all of them then find it in the cache.
    from d2lutils import fashion_mnist

    try:
        config.stash[SOURCE] = fashion_mnist.load().source
    except Exception as error:
        raise pytest.UsageError(f"no data to run the notebooks on: {error}") from error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:  # for the workers of pytest-xdist
    node.workerinput["data_source"] = node.config.stash.get(SOURCE, None)


def pytest_report_header(config: pytest.Config) -> str | None:
    source = config.stash.get(SOURCE, None)
    return source and f"data of the notebooks: {source}"


def pytest_itemcollected(item: pytest.Item) -> None:
    if type(item) is not IPyNbCell:
        return
    item.__class__, item.parent.__class__ = Cell, Notebook
    folder = item.path.parent.name
    missing = missing_modules(folder) if folder in (ALL, *FRAMEWORKS) else []
    if missing:
        reason = f"{' and '.join(missing)} not installed"
        if "mxnet" in missing:
            reason = "MXNet is retired: no wheel runs on Python 3.12 and newer"
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(item, Cell):  # the kernel that starts now inherits these
            source = {"D2LUTILS_SOURCE": item.config.stash[SOURCE]}
            for name, value in (KERNEL_ENVIRONMENT | source).items():
                patch.setenv(name, value)
        return (yield)
