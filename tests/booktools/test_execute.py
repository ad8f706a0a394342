"""Tests that notebooks are written, executed and kept up to date, reproducibly."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy
import pytest

from booktools import FRAMEWORKS, SourceError, __main__
from booktools.execution import execute
from booktools.execution.environment import kernel_environment
from booktools.execution.execute import update
from booktools.execution.jobs import jobs
from booktools.execution.stored import code_cells, validate_outputs
from booktools.execution.weights import write_weights
from booktools.source.book import Book
from small_book import ROOT, copy_book, replace, run_notebooks

FIRST, SECOND = Path("chapters", "first.md"), Path("chapters", "second.md")
NOTEBOOKS = Path("notebooks")
TORCH = NOTEBOOKS / "pytorch" / "first.ipynb"
SETTINGS = {
    "COLUMNS": "7",
    "KERAS_BACKEND": "jax",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "7",
    "PYTHONWARNINGS": "error",
}
ASKING = f"print(sys.executable == {sys.executable!r}, *map(os.getenv, {[*SETTINGS]}))"


@pytest.fixture(autouse=True)
def _no_framework_needed(monkeypatch):
    monkeypatch.setattr(execute, "missing_modules", lambda framework: [])


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """Make a book with its notebooks, by someone with settings and another kernel."""
    root = copy_book(tmp_path_factory.mktemp("executed") / "book")
    replace(root / SECOND, 'print("all', f'import os, sys\n\n{ASKING}\nprint("all')
    spec = root.parent / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    broken = {"argv": ["false"], "display_name": "Other", "language": "python"}
    spec.write_text(json.dumps(broken), encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in (SETTINGS | {"JUPYTER_PATH": str(root.parent)}).items():
            monkeypatch.setenv(name, value)
        run_notebooks(root, monkeypatch)
    return root


@pytest.fixture
def root(tmp_path, executed):
    """Make a copy of the book with up-to-date notebooks."""
    return Path(shutil.copytree(executed, tmp_path / "book"))


def job(root, framework="pytorch", name="first"):
    (found,) = jobs(Book(root), [name], [framework])
    return found


def run(root, *arguments):
    return __main__.main([*arguments, "--root", str(root)])


def with_cell(root, *source, framework="pytorch"):
    """Insert a cell before the last note; return the line of its code."""
    cell = "\n".join(["```{code-cell}", f":tags: [{framework}]", *source, "```"])
    return replace(root / FIRST, ":::{note}\n", f"{cell}\n\n:::{{note}}\n") + 2


def test_every_notebook_runs_and_contains_no_trace_of_the_machine(executed):
    paths = sorted(executed.glob("notebooks/*/*.ipynb"))
    names = [path.relative_to(executed / NOTEBOOKS).as_posix() for path in paths]
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
        counts = [cell.execution_count for cell in code_cells(notebook)]
        assert counts == list(range(1, len(counts) + 1))
        assert "version" not in notebook.metadata.language_info
        assert str(executed) not in text
        assert text.endswith("}\n")
        assert all(set(c.metadata) <= {"tags"} for c in notebook.cells)
    text = (executed / TORCH).read_text(encoding="utf-8")
    assert 'name = \\"torch\\"' in text
    assert 'name = \\"mx\\"' not in text
    assert '"traceback": [\n      "ZeroDivisionError: division by zero"\n     ]' in text


def test_a_kernel_ignores_the_settings_of_the_caller(executed):
    text = (executed / NOTEBOOKS / "all" / "second.ipynb").read_text(encoding="utf-8")
    # IPython sets the backend of its kernels.
    drawn_by = "module://matplotlib_inline.backend_inline"
    assert f"True None None {drawn_by} 1 None\\n" in text
    caller = {"PATH": "/bin", "PYTHONPATH": "/x", "OPENBLAS_CORETYPE": "HASWELL"}
    assert kernel_environment(caller).items() >= caller.items()
    assert "mplbackend" not in kernel_environment({"mplbackend": "agg"})


def test_a_notebook_runs_again_only_if_its_code_changes(root, monkeypatch):
    assert update(job(root)) == "unchanged"
    before = json.loads((root / TORCH).read_text(encoding="utf-8"))
    replace(root / FIRST, "It goes on in", "It continues in")
    with monkeypatch.context() as patch:
        patch.setattr(execute, "execute", None)
        assert update(job(root)) == "updated, outputs kept"
    after = json.loads((root / TORCH).read_text(encoding="utf-8"))
    outputs = [[c.get("outputs") for c in each["cells"]] for each in (before, after)]
    assert outputs[0] == outputs[1]
    assert "continues" in "".join(after["cells"][0]["source"])
    replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    with monkeypatch.context() as patch:
        patch.setattr(execute, "missing_modules", lambda framework: ["torch"])
        said = "skipped: torch is not installed in this environment"
        assert update(job(root)) == said
    assert json.loads((root / TORCH).read_text(encoding="utf-8")) == after
    library = root / "d2lutils"
    library.mkdir()
    (library / "__init__.py").touch()
    (library / "torch.py").write_bytes(b"answer = 42\n")
    with_cell(root, "import d2lutils.torch", "print(d2lutils.torch.answer)")
    assert update(job(root)) == "executed"
    text = (root / TORCH).read_text(encoding="utf-8")
    assert "pt: train loss 0.330" in text
    assert '"42\\n"' in text
    (library / "torch.py").write_bytes(b"answer = 42\r\n")  # as Git does on Windows
    assert update(job(root)) == "unchanged"


def edit(root, change):
    """Change the stored notebook for PyTorch, as if in an editor."""
    notebook = nbformat.read(root / TORCH, as_version=4)
    change(notebook, code_cells(notebook))
    nbformat.write(notebook, root / TORCH)


EDITED = "a cell was run or edited after booktools ran them"
UNRECORDED = "they don't record what they ran with"
SIZE = {"image/png": {"width": 700}}
OTHER_RUNS = (
    (lambda n, c: c[1].update(execution_count=7), EDITED),
    (lambda n, c: c[0].outputs[0].update(text="in /home/somebody\n"), EDITED),
    (lambda n, c: c[2].outputs[0].update(text="torch: train loss 0.350\n"), EDITED),
    (lambda n, c: c[4].outputs[0].data.update({"image/png": "iVBORw0KGgo"}), EDITED),
    (lambda n, c: c[4].outputs[0].metadata.update(SIZE), EDITED),
    (lambda n, c: n.metadata.booktools.pop("executed"), UNRECORDED),
)


def test_outputs_from_other_runs_are_not_kept(root, capsys):
    before = (root / TORCH).read_bytes()
    for change, reason in OTHER_RUNS:
        (root / TORCH).write_bytes(before)
        edit(root, change)
        assert run(root, "check") == 1
        assert capsys.readouterr().err == (
            f"notebooks need a new run because {reason}: "
            "notebooks/pytorch/first.ipynb; run: python -m booktools notebooks\n"
        )
    # A reader changes a cell without running it, and copies it into the section.
    (root / TORCH).write_bytes(before)
    edit(root, lambda notebook, cells: cells[1].update(source='name = "pt"'))
    replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    assert job(root).cause() == EDITED


MORE = nbformat.v4.new_markdown_cell("more")
MISMATCHES = (
    (lambda n, c: n.cells[0].update(source="# A"), "(sec_first)=", "'# A' in it is"),
    (lambda n, c: c[3].update(source="x = 1"), "from IPython", "'x = 1' in it is"),
    (lambda n, c: c[3].update(source=c[3].source + "x"), "SVG(line", "in it is 'SVG("),
    (lambda n, c: c[0].metadata.update(tags=["x"]), "print(", "other tags"),
    (lambda n, c: n.cells.pop(), "```{exercise}", "lacks the cell that begins here"),
    (lambda n, c: n.cells.append(MORE), "```{exercise}", "has more cells after"),
    (lambda n, c: n.metadata.booktools.update(section="a"), "---", "belongs to anoth"),
)


def test_a_mismatch_is_reported_with_its_line(root):
    before = (root / TORCH).read_bytes()
    lines = (root / FIRST).read_text("utf-8").split("\n")
    for change, place, words in MISMATCHES:
        (root / TORCH).write_bytes(before)
        edit(root, change)
        problem = job(root).problem()
        assert lines[problem.line - 1].startswith(place), problem
        assert words in problem.message


def test_identifiers_come_from_the_content_and_are_unique(root):
    with_cell(root, "x = 1")
    with_cell(root, "x = 1")
    ids = [cell.id for cell in job(root).fresh.cells]
    assert len(set(ids)) == len(ids)
    replace(root / FIRST, "It goes on in", "It continues in")
    assert [cell.id for cell in job(root).fresh.cells][1:] == ids[1:]


def test_metadata_from_editors_does_not_count(root, monkeypatch, capsys):
    def change(notebook, cells):
        notebook.metadata.language_info["version"] = "3.11.7"
        notebook.metadata.kernelspec = {"name": "venv", "display_name": ".venv (3.11)"}
        cells[0].metadata.vscode = {"languageId": "python"}
        cells[1].metadata.update(collapsed=False, scrolled=True, trusted=True)
        cells[3].metadata.execution = {"iopub.execute_input": "2024-01-01T00:00:00Z"}
        cells[4].outputs[0].metadata["needs_background"] = "light"
        for cell in notebook.cells:
            del cell["id"]
        notebook.nbformat_minor = 0

    before = (root / TORCH).read_bytes()
    edit(root, change)
    assert run(root, "check") == 0
    monkeypatch.setattr(execute, "execute", None)
    assert run(root, "notebooks") == 0
    assert "notebooks/pytorch/first.ipynb: updated, outputs" in capsys.readouterr().out
    assert (root / TORCH).read_bytes() == before


def test_an_unreadable_notebook_is_reported(root, capsys):
    text = (root / TORCH).read_text(encoding="utf-8")
    lines = text.split("\n")
    for broken in (
        "",
        "{}",
        "[]",
        "\n".join(["<<<<<<< ours", *lines[:9], "=======", *lines, ">>>>>>> theirs"]),
        text.replace('"outputs"', '"output"'),
        text.replace("torch: train", "t\udce4rch: train"),
    ):
        (root / TORCH).write_text(broken, "utf-8", errors="surrogateescape")
        assert run(root, "check") == 1
        told = capsys.readouterr().err
        assert "pytorch/first.ipynb is missing or cannot be read; run: " in told


def test_a_change_in_the_library_needs_a_new_run(root, capsys, monkeypatch):
    def asked():
        assert run(root, "check") == 1
        line = (
            r"notebooks need a new run because d2lutils has changed since they ran: "
            r"(.*); run: python -m booktools notebooks\n"
        )
        return re.fullmatch(line, capsys.readouterr().err)[1].split(", ")

    library = root / "d2lutils"
    library.mkdir()
    (library / "torch.py").write_bytes(b"answer = 42\n")
    assert asked() == ["notebooks/pytorch/first.ipynb", "notebooks/all/second.ipynb"]
    with monkeypatch.context() as patch:
        patch.setenv("BOOKTOOLS_FRAMEWORK", "pytorch")
        assert asked() == ["notebooks/pytorch/first.ipynb"]
    (library / "__init__.py").write_bytes(b"")
    assert asked() == [
        "notebooks/mxnet/first.ipynb",
        "notebooks/pytorch/first.ipynb",
        "notebooks/tensorflow/first.ipynb",
        "notebooks/all/second.ipynb",
    ]


def test_weights_saved_for_a_figure_come_from_its_notebook(root):
    path = root / "interactive" / "beads" / "second.npz"
    with numpy.load(path) as kept:
        assert kept["learned"].tolist() == [2.5, numpy.float16(0.1)]
    assert job(root, "all", "second").cause() is None
    write_weights({"learned": numpy.zeros(2, "f2")}, path)
    assert "the weights they keep" in job(root, "all", "second").cause()


FAILURES = {
    "mxnet": ("def f():\n    return 1 / 0\nf()", "failed:\n.*return 1 / 0.*ZeroDiv"),
    "pytorch": ("import os\nos._exit(9)", "failed: its kernel was killed, perhaps"),
    "tensorflow": ("import sys\nsys.stderr.write('oh')", "wrote to stderr, .*\noh"),
}


def test_a_failing_cell_is_named_and_nothing_is_written(root, capsys):
    lines = [with_cell(root, FAILURES[tag][0], framework=tag) for tag in FAILURES]
    before = {path: path.read_bytes() for path in root.glob("notebooks/*/*")}
    assert run(root, "notebooks") == 1
    told = capsys.readouterr().err
    # Each cell is inserted after the ones before it.
    for line, (tag, (_, message)) in zip(lines, FAILURES.items(), strict=True):
        title = FRAMEWORKS[tag].title
        cell = f"chapters/first.md:{line}: the cell, run for {title}, "
        assert re.search(cell + message, told, re.S), told
    assert "\x1b" not in told
    assert {path: path.read_bytes() for path in root.glob("notebooks/*/*")} == before


def test_a_cell_is_stopped_after_the_timeout(root):
    line = replace(root / SECOND, "import os, sys", "import time; time.sleep(99)")
    with pytest.raises(SourceError, match=f"(?s)second.md:{line}:.* timed out"):
        update(job(root, "all", "second"), timeout=1)


def shown(**data):
    return nbformat.v4.new_output("display_data", data)


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (printed("oh", "stderr"), "stderr"),
        (nbformat.v4.new_output("error", ename="NameError"), "raised NameError"),
        (printed("\x1b[31mred\x1b[0m"), "terminal colors"),
        (printed("in /home/somebody/data"), "path, .* stored: '/home/somebody/data'"),
        (printed("C:\\Users\\somebody"), "a machine's path"),
        (printed("/x/site-packages/torch"), "a machine's path"),
        (printed(str(Path.cwd())), "a machine's path"),
        (shown(**{"text/plain": "<object at 0x7f00>"}), "an address in memory"),
        (shown(**{"text/html": "/Users/somebody"}), "a machine's path"),
        (shown(**{"image/svg+xml": "<dc:date>2020</dc:date>"}), "the time of day"),
    ],
)
def test_outputs_that_differ_between_machines_or_runs_are_refused(output, message):
    cell = nbformat.v4.new_code_cell("x", outputs=[printed("fine"), output])
    assert re.search(message, validate_outputs(cell))


def test_ordinary_outputs_are_stored_and_a_raises_exception_cell_must_raise():
    outputs = [printed("loss 0.38 at /t/92"), shown(**{"image/png": "/home/x"})]
    cell = nbformat.v4.new_code_cell("x", outputs=outputs)
    assert validate_outputs(cell) is None
    cell.metadata.tags = ["raises-exception"]
    assert "raised nothing" in validate_outputs(cell)


DIES_AT_START = """
import os, pathlib, sys
if "ipykernel_launcher" in sys.orig_argv:
    starts = pathlib.Path(os.environ["STARTS"])
    starts.write_text(starts.read_text() + "x")
    if len(starts.read_text()) <= int(os.environ["DEATHS"]):
        os._exit(1)
"""


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_kernel_that_dies_on_startup_is_restarted_once(
    root, tmp_path, monkeypatch, deaths
):
    (tmp_path / "sitecustomize.py").write_text(DIES_AT_START, encoding="utf-8")
    (tmp_path / "starts").write_text("", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STARTS", str(tmp_path / "starts"))
    monkeypatch.setenv("DEATHS", str(deaths))
    again = job(root, "all", "second")
    if deaths == 1:
        before = again.path.read_bytes()
        assert update(again, force=True) == "executed"
        assert again.path.read_bytes() == before
        return
    with pytest.raises(SourceError, match="its kernel died twice before it was ready"):
        update(again, force=True)


PROGRAM = """
import signal, sys
from booktools import __main__
from booktools.execution import execute

# Processes in the background of a shell ignore Ctrl-C unless they set this.
signal.signal(signal.SIGINT, signal.default_int_handler)
execute.missing_modules = lambda framework: []
sys.exit(__main__.main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")
def test_ctrl_c_stops_everything_and_prints_one_line(root, tmp_path):
    file = tmp_path / "pid"
    with_cell(
        root,
        "import os, pathlib, time",
        f"pathlib.Path({str(file)!r}).write_text(str(os.getpid()))",
        "time.sleep(600)",
    )
    before = (root / TORCH).read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "notebooks", "--root", str(root)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not file.exists() or not file.read_text():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told == "\nStopped. Unfinished notebooks are unchanged.\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)
    assert (root / TORCH).read_bytes() == before


def test_check_reports_mismatches_and_notebooks_fixes_them(root, capsys):
    assert run(root, "check") == 0
    assert capsys.readouterr().out == "4 notebooks match their sections.\n"
    line = replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    folder, old = root / NOTEBOOKS / "all", root / NOTEBOOKS / "mxnet" / "old.ipynb"
    (folder / "second.ipynb").unlink()
    old.write_text("{}", encoding="utf-8")
    assert run(root, "check") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"chapters/first.md:{line}: notebooks/pytorch/first.ipynb does not match: "
        "'name = \"torch\"' in it is 'name = \"pt\"' here; "
        "run: python -m booktools notebooks first",
        "chapters/second.md:1: notebooks/all/second.ipynb is missing or cannot be "
        "read; run: python -m booktools notebooks second",
        "notebooks/mxnet/old.ipynb: no section makes it; delete it",
    ]
    assert run(root, "check", "first") == 1
    told = capsys.readouterr().err
    assert "old.ipynb" in told
    assert "second" not in told
    old.unlink()
    two = ["--framework", "mxnet", "--framework", "tensorflow"]
    assert run(root, "check", *two) == 0
    assert capsys.readouterr().out.startswith("2 notebooks match")
    # If a notebook cannot be made, the others still run.
    folder.rmdir()
    folder.write_text("a file", encoding="utf-8")
    assert run(root, "notebooks", "--jobs", "1") == 1
    told = capsys.readouterr()
    expected = "chapters/second.md:1: notebooks/all/second.ipynb cannot be made: "
    assert expected in told.err
    assert "notebooks/all/second.ipynb: failed (" in told.out
    assert "notebooks/pytorch/first.ipynb: executed (" in told.out
    assert told.out.endswith("\n2 of 4 notebooks: unchanged\n")
    assert told.out.count("unchanged") == 1


def test_a_python_without_the_tools_says_what_to_run():
    code = (
        "import runpy, sys; sys.modules['jupyter_client'] = None; "
        "runpy.run_module('booktools', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{sys.executable} has no module 'jupyter_client'")
    assert "; run make notebooks, or " in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_arguments_are_reported(root, tmp_path, capsys):
    for folder, arguments, said in (
        (root, ["notebooks", "thrid"], "no section 'thrid'; expected one of first"),
        (tmp_path, ["check"], "no _toc.yml here"),
    ):
        assert run(folder, *arguments) == 1
        assert said in capsys.readouterr().err


def alternatives(path):
    """Return the text alternative of each picture in a notebook."""
    return [
        output.metadata[kind]["alt"]
        for cell in code_cells(nbformat.read(path, as_version=4))
        for output in cell.outputs
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]


def test_notebooks_store_text_alternatives_of_pictures(root, monkeypatch):
    mxnet = root / NOTEBOOKS / "mxnet" / "first.ipynb"
    for path in (mxnet, root / TORCH):
        assert alternatives(path) == ["A line that falls.", "A dot."]
    replace(root / FIRST, ":alt: A dot.", ":alt: One dot.")
    problem = job(root).problem()
    assert "has other text alternatives for its pictures; run: " in str(problem)
    monkeypatch.setattr(execute, "execute", None)
    assert update(job(root)) == "updated, outputs kept"
    assert alternatives(root / TORCH) == ["A line that falls.", "One dot."]
    assert (job(root).problem(), job(root).cause()) == (None, None)
