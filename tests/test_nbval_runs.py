"""That `pytest --nbval` goes red where a notebook no longer tells the truth.

Each case is a cell of a small notebook that is run with the project's conftest.py;
the data it asks for is a dummy that says which kind of data is in use.
"""

import base64
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

pytest_plugins = "pytester"

ROOT = Path(__file__).parent.parent
DATA = "from types import SimpleNamespace\ndef load(): "
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode()
NOTE = "[stand-in data] made by rule"
SHOW = "from IPython.display import display\ndisplay({}, raw=True)"


def cell(source, *outputs, count=1, **metadata):
    """A code cell, stored with outputs: texts are what it printed."""
    outputs = [
        new_output("stream", text=output) if isinstance(output, str) else output
        for output in outputs
    ]
    return new_code_cell(
        source, outputs=outputs, execution_count=count, metadata=metadata
    )


def shown(text="", **data):
    """An output of IPython's display."""
    return new_output("display_data", {"text/plain": text, **data})


@pytest.fixture
def outcomes(pytester, monkeypatch):
    """Store cells as a notebook, run it, and return each cell's outcome."""

    def run(cells, source="official", folder="pytorch", more="", load=None):
        load = load or f"return SimpleNamespace(source={source!r})"
        package = pytester.mkpydir("d2lutils")
        (package / "fashion_mnist.py").write_text(DATA + load)
        conftest = (ROOT / "conftest.py").read_text(encoding="utf-8")
        pytester.makeconftest(conftest + more)
        path = pytester.path / "notebooks" / folder / "small.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(new_notebook(cells=list(cells)), path)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        result = pytester.runpytest_subprocess(
            "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-rA", path
        )
        words = [line.split() for line in result.outlines if "::Cell " in line]
        found = {int(cell): outcome for outcome, _, cell, *_ in words}
        return [found.get(i) for i in range(len(cells))], result

    return run


def check(outcomes, cases, **options):
    cells, expected = zip(*cases, strict=True)
    found, result = outcomes(cells, **options)
    different = [
        f"{want} {one.source!r}"
        for one, want, got in zip(cells, expected, found, strict=True)
        if want != got
    ]
    assert not different, result.stdout.str()


ANIMATION = """from IPython.display import display
handle = display("first", display_id=True)
handle.update("second")"""
FIGURE = "print('train loss 0.382')"


def test_with_the_official_data_stored_outputs_have_to_come_again(outcomes):
    svg = '<svg><path d="M 0 {}"/></svg>'
    display = SHOW.format({"text/plain": "", "image/svg+xml": svg.format("9.5")})
    picture = SHOW.format({"text/plain": "", "image/png": PNG})
    cases = [
        (cell(FIGURE, "train loss 0.382\n"), "PASSED"),
        (cell(FIGURE, "train loss 0.383\n"), "PASSED"),
        (cell(FIGURE, "train loss 0.392\n"), "FAILED"),
        (cell(FIGURE, "test loss 0.382\n"), "FAILED"),
        (cell(FIGURE), "FAILED"),
        (cell("x = 1", "train loss 0.382\n"), "FAILED"),
        (cell(FIGURE, count=None), "FAILED"),
        (cell("x = 1", count=None), "FAILED"),
        (cell("print((256, 784))", "(256, 784)\n"), "PASSED"),
        (cell("print((256, 784))", "(256, 785)\n"), "FAILED"),
        (cell(display, shown(**{"image/svg+xml": svg.format("9")})), "PASSED"),
        (cell(display, shown(**{"image/svg+xml": svg.format("8")})), "FAILED"),
        (cell(display, shown()), "FAILED"),
        (cell(picture, shown(**{"image/png": "iVBORw0KGgoAAAA"})), "PASSED"),
        (cell(picture, shown()), "FAILED"),
        (cell("'x'", shown(**{"image/png": PNG})), "FAILED"),
        (cell(ANIMATION, shown("'second'")), "PASSED"),
        (cell(ANIMATION, shown("'first'")), "FAILED"),
        # options for the stand-in are no excuse
        (cell(FIGURE, "train loss 0.4\n", standin="any"), "FAILED"),
        (cell(FIGURE, "train loss 0.4\n", standin={"train loss": [0, 1]}), "FAILED"),
        (cell(f"print('{NOTE}')"), "FAILED"),
        (cell("raise ValueError", count=1), "FAILED"),
    ]
    check(outcomes, cases)


def test_with_the_stand_in_figures_have_to_lie_in_their_bands(outcomes):
    note = f"print('{NOTE}')"
    marked = "print('train loss 0.35 [stand-in data]')"
    display = SHOW.format({"text/plain": "", "image/svg+xml": "<svg>1</svg>"})
    band = {"train loss": [0.3, 0.4]}
    stored = "train loss 0.382\n"
    cases = [
        (cell(note), "PASSED"),
        (cell(f"{note}\n{FIGURE}", stored), "PASSED"),
        (cell(marked, stored), "FAILED"),
        (cell(marked, stored, standin="any"), "PASSED"),
        (cell("x = 1", stored, standin="any"), "FAILED"),
        (cell(marked, stored, standin=band), "PASSED"),
        (cell(marked.replace("0.35", "0.45"), stored, standin=band), "FAILED"),
        (cell(marked.replace("0.35", "nan"), stored, standin=band), "FAILED"),
        (cell("print('done')", stored, standin=band), "FAILED"),
        (cell("x = 1", stored, standin=band), "FAILED"),
        (cell("print((256, 784))", "(256, 785)\n"), "FAILED"),
        (cell(display, shown(**{"image/svg+xml": "<svg>2</svg>"})), "PASSED"),
        (cell(display, shown()), "FAILED"),
        (cell(FIGURE, stored, count=None, standin="any"), "FAILED"),
    ]
    check(outcomes, cases, source="standin")


def test_all_kernels_use_the_data_that_was_found(outcomes):
    ask = "import os; print(os.environ['D2LUTILS_SOURCE'])"
    check(outcomes, [(cell(ask, "standin\n"), "PASSED")], source="standin")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("tensorflow", "no_such_module not installed"),
        ("mxnet", "MXNet is retired: no wheel runs on Python 3.12 and newer"),
    ],
)
def test_notebooks_of_a_missing_framework_are_skipped_with_the_reason(
    outcomes, tag, reason
):
    name = "mxnet" if tag == "mxnet" else "no_such_module"
    more = f"\nmissing_modules = lambda folder: [{name!r}]\n"
    _, result = outcomes([cell("import nothing")], folder=tag, more=more)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*{reason}"])


def test_data_that_cannot_be_had_stops_the_run_with_its_error(outcomes):
    _, result = outcomes([cell("x = 1")], load="raise OSError('no mirror')")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no data to run the notebooks on: no mirror"])
