"""Notebooks are written, executed and kept current, each time in the same bytes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from booktools import FRAMEWORKS, SourceError, __main__, missing_modules
from booktools.notebooks import execute
from booktools.notebooks.execute import kernel_environment, update
from booktools.notebooks.jobs import jobs
from booktools.notebooks.stored import validate_outputs
from booktools.source.book import Book
from small_book import copy_book, replace, run_notebooks

FIRST = Path("chapters", "first.md")
TORCH = Path("notebooks", "pytorch", "first.ipynb")


@pytest.fixture(autouse=True)
def _no_framework_needed(monkeypatch):
    monkeypatch.setattr(execute, "missing_modules", lambda framework: [])


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """A book with its notebooks, which no test may change."""
    root = copy_book(tmp_path_factory.mktemp("executed") / "book")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_notebooks(root, monkeypatch)
    return root


@pytest.fixture
def root(tmp_path, executed):
    """A book whose notebooks are current."""
    root = copy_book(tmp_path / "book")
    for path in executed.glob("notebooks/*/*.ipynb"):
        target = root / path.relative_to(executed)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return root


def job(root, framework="pytorch", name="first"):
    (found,) = [
        each
        for each in jobs(Book(root))
        if (each.framework, each.page.section.name) == (framework, name)
    ]
    return found


def with_cell(root, *source):
    """Put a cell for PyTorch before the last note; return the line of its code."""
    cell = "\n".join(["```{code-cell} ipython3", ":tags: [pytorch]", *source, "```"])
    return replace(root / FIRST, ":::{note}\n", f"{cell}\n\n:::{{note}}\n") + 2


def test_every_notebook_is_executed_with_nothing_of_this_machine_in_it(executed):
    paths = sorted(executed.glob("notebooks/*/*.ipynb"))
    names = [path.relative_to(executed / "notebooks").as_posix() for path in paths]
    assert names == [
        "all/second.ipynb",
        "mxnet/first.ipynb",
        "pytorch/first.ipynb",
        "tensorflow/first.ipynb",
    ]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1))
        assert "version" not in notebook.metadata.language_info
        assert str(executed) not in text
        assert text.endswith("}\n")
        assert all(set(c.metadata) <= {"tags"} for c in notebook.cells)


def test_a_notebook_holds_its_own_framework_only(executed):
    notebook = (executed / TORCH).read_text(encoding="utf-8")
    assert 'name = \\"torch\\"' in notebook
    assert 'name = \\"mx\\"' not in notebook
    assert "torch: train loss 0.360" in notebook


def test_executing_twice_gives_the_same_bytes(root):
    before = (root / TORCH).read_bytes()
    assert update(job(root), force=True) == "executed"
    assert (root / TORCH).read_bytes() == before


def test_only_a_change_of_code_is_executed(root, monkeypatch):
    assert update(job(root)) == "unchanged"
    before = json.loads((root / TORCH).read_text(encoding="utf-8"))
    replace(root / FIRST, "It goes on in", "It continues in")
    with monkeypatch.context() as patch:
        patch.setattr(execute, "execute", None)
        assert update(job(root)) == "prose updated"
    after = json.loads((root / TORCH).read_text(encoding="utf-8"))
    outputs = [[c.get("outputs") for c in each["cells"]] for each in (before, after)]
    assert outputs[0] == outputs[1]
    assert "continues" in "".join(after["cells"][0]["source"])
    assert update(job(root)) == "unchanged"
    replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    assert update(job(root)) == "executed"
    assert "pt: train loss 0.330" in (root / TORCH).read_text(encoding="utf-8")
    assert update(job(root, "mxnet")) == "prose updated"


def test_a_frameworks_absence_is_told(root, monkeypatch):
    monkeypatch.setattr(execute, "missing_modules", lambda framework: ["torch"])
    before = (root / TORCH).read_bytes()
    replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    assert update(job(root)) == "skipped: torch not installed in this environment"
    assert (root / TORCH).read_bytes() == before
    assert missing_modules("pytorch") in ([], ["torch"])
    assert set(missing_modules("all")) <= {
        name for each in FRAMEWORKS.values() for name in (each.module, *each.others)
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (("def f():", "    return 1 / 0", "f()"), "(?s)failed:.*return 1 / 0.*ZeroDiv"),
        (("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"), "kernel died"),
        (("import warnings", "warnings.warn('careful')"), "(?s)stderr.*careful"),
        (("import sys", "print(sys.prefix)"), "machine's path"),
    ],
)
def test_a_cell_that_fails_is_named_and_nothing_is_written(root, source, message):
    line = with_cell(root, *source)
    before = (root / TORCH).read_bytes()
    with pytest.raises(SourceError, match=message) as caught:
        update(job(root))
    assert str(caught.value).startswith(
        f"chapters/first.md:{line}: the cell, run for PyTorch, "
    )
    assert "\x1b" not in str(caught.value)
    assert (root / TORCH).read_bytes() == before
    assert not list((root / TORCH).parent.glob(".*"))


def shown(**data):
    return nbformat.v4.new_output("display_data", data)


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (printed("oh", "stderr"), "stderr"),
        (printed("\x1b[31mred\x1b[0m"), "terminal colors"),
        (printed("in /home/somebody/data"), "a machine's path: '/home/somebody/data'"),
        (printed("C:\\Users\\somebody"), "a machine's path"),
        (printed("/x/site-packages/torch"), "a machine's path"),
        (printed(str(Path.cwd())), "a machine's path"),
        (shown(**{"text/plain": "<object at 0x7f00>"}), "an address in memory"),
        (shown(**{"text/html": "/Users/somebody"}), "a machine's path"),
        (shown(**{"image/svg+xml": "<dc:date>2020</dc:date>"}), "the time of day"),
    ],
)
def test_what_differs_between_machines_or_runs_is_refused(output, message):
    cell = nbformat.v4.new_code_cell("x", outputs=[printed("fine"), output])
    assert re.search(
        message.replace(": '", ", which may not be stored: '"), validate_outputs(cell)
    )


def test_ordinary_outputs_are_stored():
    outputs = [printed("loss 0.38 at /t/92"), shown(**{"image/png": "/home/x"})]
    assert validate_outputs(nbformat.v4.new_code_cell("x", outputs=outputs)) is None


def test_the_kernel_is_this_interpreter_whatever_else_is_installed(
    root, tmp_path, monkeypatch
):
    spec = tmp_path / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    broken = {"argv": ["false"], "display_name": "Other", "language": "python"}
    spec.write_text(json.dumps(broken), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with_cell(root, "import sys", f"print(sys.executable == {sys.executable!r})")
    assert update(job(root)) == "executed"
    stored = nbformat.read(root / TORCH, as_version=4)
    texts = [o.get("text") for c in stored.cells for o in c.get("outputs", [])]
    assert "True\n" in texts


def test_a_kernel_does_not_depend_on_the_callers_settings(root, monkeypatch):
    """A CI service draws with Agg, a terminal has columns, a shell has warnings."""
    settings = {
        "MPLBACKEND": "agg",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "7",
        "KERAS_BACKEND": "jax",
        "OMP_NUM_THREADS": "7",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    names = sorted(settings)
    with_cell(root, "import os", f"print([os.environ.get(x) for x in {names}])")
    assert update(job(root)) == "executed"
    # IPython itself says how its kernels draw.
    drawn_by = "'module://matplotlib_inline.backend_inline'"
    expected = f"[None, None, {drawn_by}, '1', None]"
    stored = nbformat.read(root / TORCH, as_version=4)
    texts = [o.get("text") for c in stored.cells for o in c.get("outputs", [])]
    assert f"{expected}\n" in texts


def test_what_a_kernel_needs_of_its_environment_stays():
    caller = {"PATH": "/bin", "PYTHONPATH": "/x", "OPENBLAS_CORETYPE": "HASWELL"}
    assert kernel_environment(caller).items() >= caller.items()
    assert "mplbackend" not in kernel_environment({"mplbackend": "agg"})


def test_a_cell_that_takes_too_long_is_stopped(root):
    line = with_cell(root, "import time", "time.sleep(60)")
    with pytest.raises(SourceError, match=f"(?s)first.md:{line}:.* timed out"):
        update(job(root), timeout=1)


def test_a_cell_that_should_raise_must(root):
    replace(root / FIRST, "1 / 0", "1 / 1")
    with pytest.raises(SourceError, match="raised nothing"):
        update(job(root))


def test_an_error_is_stored_without_frames(executed):
    text = (executed / TORCH).read_text(encoding="utf-8")
    (output,) = [
        output
        for cell in nbformat.reads(text, as_version=4).cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    assert output.traceback == ["ZeroDivisionError: division by zero"]


def run(root, *arguments):
    return __main__.main([*arguments, "--root", str(root)])


def test_the_commands_report_and_mend(root, capsys):
    assert run(root, "check") == 0
    assert capsys.readouterr().out == "4 notebooks match their sections.\n"
    line = replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    (root / "notebooks" / "all" / "second.ipynb").unlink()
    (root / "notebooks" / "mxnet" / "old.ipynb").write_text("{}", encoding="utf-8")
    assert run(root, "check") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"chapters/first.md:{line}: notebooks/pytorch/first.ipynb does not match: "
        "'name = \"torch\"' there is 'name = \"pt\"' here; "
        "run: python -m booktools notebooks first",
        "chapters/second.md:1: notebooks/all/second.ipynb is missing or cannot be "
        "read; run: python -m booktools notebooks second",
        "notebooks/mxnet/old.ipynb: no section makes it; delete it",
    ]
    assert run(root, "check", "first", "--framework", "mxnet") == 1
    assert "old.ipynb" in capsys.readouterr().err
    (root / "notebooks" / "mxnet" / "old.ipynb").unlink()
    assert run(root, "check", "first", "--framework", "mxnet") == 0
    assert run(root, "notebooks") == 0
    told = capsys.readouterr().out
    assert "notebooks/pytorch/first.ipynb: executed (" in told
    assert "notebooks/mxnet/first.ipynb: unchanged (" in told
    assert run(root, "check") == 0


def test_one_notebook_that_fails_does_not_stop_the_others(root, capsys):
    with_cell(root, "oops")
    replace(root / FIRST, 'name = "mx"', 'name = "mxnet"')
    assert run(root, "notebooks") == 1
    told = capsys.readouterr()
    assert "notebooks/pytorch/first.ipynb: failed" in told.out
    assert "notebooks/mxnet/first.ipynb: executed" in told.out
    assert "NameError: name 'oops' is not defined" in told.err


def test_the_commands_say_what_they_cannot_do(root, tmp_path, capsys):
    assert run(root, "notebooks", "thrid") == 1
    assert (
        "no section 'thrid'; expected one of first, second" in capsys.readouterr().err
    )
    assert run(tmp_path, "check") == 1
    assert "no _toc.yml here" in capsys.readouterr().err
    line = replace(root / FIRST, ":tags: [mxnet]\nname", ":tags: [mxnte]\nname")
    assert run(root, "check") == 1
    assert f"first.md:{line - 1}: unknown tag 'mxnte'" in capsys.readouterr().err
