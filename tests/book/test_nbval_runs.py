"""Tests that `pytest --nbval` fails if a notebook's outputs are no longer right.

The tests run small notebooks with the project's conftest.py.
"""

import base64
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from booktools import FRAMEWORKS
from booktools.execution.forks import SUPPORTED

ROOT = Path(__file__).parents[2]


def png(color):
    """Return a small picture in base64."""
    file = io.BytesIO()
    Image.new("L", (32, 32), color).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def cell(source, *outputs, count=1):
    """Make a code cell with stored outputs. Strings stand for printed text."""
    outputs = [
        new_output("stream", text=output) if isinstance(output, str) else output
        for output in outputs
    ]
    return new_code_cell(source, outputs=outputs, execution_count=count)


def shown(text="", **data):
    """Make an output of IPython's display."""
    return new_output("display_data", {"text/plain": text, **data})


def show(**data):
    """Return code that displays data."""
    data = {"text/plain": "", **data}
    return f"from IPython.display import display\ndisplay({data}, raw=True)"


def path(y):
    return {"image/svg+xml": f'<svg><path d="M 0 {y}"/></svg>'}


def picture(color):
    return {"image/png": png(color)}


def asked(name, value):
    return cell(f"import os; print(os.environ.get({name!r}))", f"{value}\n")


ANIMATION = """from IPython.display import display
handle = display("first", display_id=True)
handle.update("second")"""
LOSS = "print('train loss 0.382')"
IMPORTED = cell(
    "import sys; print({'colorsys', 'd2lutils.metrics'} <= set(sys.modules))", "True\n"
)

# The cells of each notebook, with the outcome of each.
NOTEBOOKS = {
    "plain/stored": [
        (cell(LOSS, "train loss 0.382\n"), "PASSED"),
        (cell(LOSS, "train loss 0.383\n"), "PASSED"),
        (cell(LOSS, "train loss 0.392\n"), "FAILED"),
        (cell(LOSS, "test loss 0.382\n"), "FAILED"),
        (cell(LOSS), "FAILED"),
        (cell("x = 1", "train loss 0.382\n"), "FAILED"),
        (cell(LOSS, count=None), "FAILED"),
        (cell("x = 1", count=None), "FAILED"),
        (cell("print((256, 784))", "(256, 785)\n"), "FAILED"),
        (cell(show(**path(9.5)), shown(**path(9))), "PASSED"),
        (cell(show(**path(9.5)), shown(**path(8))), "FAILED"),
        (cell(show(**path(9.5)), shown()), "FAILED"),
        (cell(show(**picture(100)), shown(**picture(101))), "PASSED"),
        (cell(show(**picture(100)), shown(**picture(200))), "FAILED"),
        (cell(show(**picture(100)), shown()), "FAILED"),
        (cell("'x'", shown(**picture(100))), "FAILED"),
        (cell(ANIMATION, shown("'second'")), "PASSED"),
        (cell(ANIMATION, shown("'first'")), "FAILED"),
        (cell("raise ValueError"), "FAILED"),
        # The kernel does not depend on the caller's settings.
        (asked("PYTHONWARNINGS", None), "PASSED"),
        (asked("MPLBACKEND", "module://matplotlib_inline.backend_inline"), "PASSED"),
        (asked("OMP_NUM_THREADS", 1), "PASSED"),
        (cell("import time; time.sleep(0.3)"), "PASSED"),
        (cell("time.sleep(0.3)"), "PASSED"),
    ],
    "plain/killed": [
        (cell("print(1)", "1\n"), "PASSED"),
        (cell("print(2, flush=True); import os; os._exit(9)"), "FAILED"),
        (cell("print(3)", "3\n"), "FAILED"),
    ],
    "plain/chained": [
        (cell("x = 1"), "PASSED"),
        (cell("x += 1; print(x)", "3\n"), "FAILED"),
        (cell("x *= 5"), "PASSED"),
        (cell("print(x)", "10\n"), "PASSED"),
        (cell("1 / 0"), "FAILED"),
        (cell("print(1)", "1\n"), "PASSED"),
    ],
    "jax/one": [(IMPORTED, "PASSED" if SUPPORTED else "FAILED")],
    "jax/two": [(IMPORTED, "PASSED" if SUPPORTED else "FAILED")],
    "mxnet/dies-once": [(cell("print(1)", "1\n"), "PASSED")],
    "all/dies-twice": [(cell("print(1)", "1\n"), "ERROR")],
    "tensorflow/missing": [(cell("import nothing"), "SKIPPED")],
}
MORE = """
import collections, dataclasses
from nbval import plugin

BUDGET = 0.6
FRAMEWORKS["jax"] = dataclasses.replace(
    FRAMEWORKS["jax"], module="metrics", others=("colorsys",))
missing_modules = lambda tag: ["no_such_module"] if tag == "tensorflow" else []
starting, deaths = plugin.RunningKernel, collections.Counter(mxnet=1, all=2)

def start(*args, cwd, **options):
    folder = cwd.rpartition(os.sep)[2]
    deaths[folder] -= 1
    if deaths[folder] >= 0:
        raise RuntimeError("Kernel died before replying to kernel_info")
    return starting(*args, cwd=cwd, **options)

plugin.RunningKernel = start

def pytest_collection_finish(session):
    for item in session.items:
        print("marks", item.path.stem, *sorted(m.name for m in item.iter_markers()))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Store the notebooks; return a function that runs them, or some cells of them."""
    folder = tmp_path_factory.mktemp("nbval")
    conftest = (ROOT / "conftest.py").read_text(encoding="utf-8")
    (folder / "conftest.py").write_text(conftest + MORE, encoding="utf-8")
    for name, cells in NOTEBOOKS.items():
        path = folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[each for each, _ in cells]), path)
    settings = {
        "BOOKTOOLS_FRAMEWORK": "",
        "MPLBACKEND": "agg",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
    }

    def run(*chosen):
        """Return what pytest said, and the outcomes by notebook and cell."""
        options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=100", "-vrs"]
        said = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *(chosen or ["notebooks"])],
            cwd=folder,
            env=os.environ | settings,
            capture_output=True,
            text=True,
        ).stdout
        lines = re.findall(
            r"^notebooks/(.*?)[.:]+ipynb::Cell (\d+) ([A-Z]+)", said, re.M
        )
        return said, {(name, int(number)): outcome for name, number, outcome in lines}

    return run


@pytest.fixture(scope="module")
def ran(run):
    return run()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_stored_outputs_must_be_reproduced(ran, name):
    said, outcomes = ran
    different = [
        f"{outcome} {each.source!r}"
        for i, (each, outcome) in enumerate(NOTEBOOKS[name])
        if outcomes[name, i] != outcome
    ]
    assert not different, said


def test_messages_say_what_happened_and_why(ran):
    said, _ = ran
    assert (
        "mismatch 'image/png': 100.00% of the pixels look different (columns 0 to 31"
    ) in said
    assert "base64" not in said
    assert "The kernel died in this cell" in said
    assert "Not run: " in said
    assert re.search("SKIPPED.*no_such_module is not installed", said)
    slowest = said.partition("slowest notebooks")[2]
    seconds = re.search(r"^ +(\d+\.\d) s  .*plain/stored\.ipynb$", slowest, re.M)[1]
    assert float(seconds) >= 0.6
    assert re.search(r"all 8; [1-7] took more than 0.6 s", slowest)


def test_cells_are_marked_with_what_they_need(ran):
    lines = ran[0].splitlines()
    assert "marks one jax notebook" in lines
    assert f"marks dies-twice {' '.join(sorted(['notebook', *FRAMEWORKS]))}" in lines


def test_collecting_imports_nothing_that_builds_the_book():
    heavy = {"markdown_it", "matplotlib", "numpy", "PIL", "pybtex", "sphinx", "yaml"}
    code = f"import sys, conftest; print(*sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (loaded.stdout.strip(), loaded.returncode) == ("", 0), loaded.stderr


def test_a_selected_cell_runs_after_the_cells_before_it(run):
    chained = "notebooks/plain/chained.ipynb"
    cells = f"{chained}::Cell 3", f"{chained}::Cell 5"
    said, outcomes = run(*cells, "notebooks/jax/one.ipynb")
    assert outcomes == {
        ("plain/chained", 3): "PASSED",
        ("plain/chained", 5): "FAILED",
        # A single notebook needs no server.
        ("jax/one", 0): "FAILED",
    }, said
    # If an earlier cell fails, the message names it.
    assert "Cell 4: Cell execution caused an exception" in said
