"""Tests that sections are split into cells and merged with their outputs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from booktools import FRAMEWORKS
from booktools.execution.merge import merge
from booktools.source.markdown import inlines
from booktools.source.sections import is_section, read_section
from small_book import HEADER, ROOT

PATH = Path("chapters/small.md")


def cell(source: str, *options: str) -> str:
    return "\n".join(["```{code-cell} ipython3", *options, source, "```", "", ""])


def section(body: str, header: str = HEADER):
    return read_section(header + body, PATH)


def test_a_section_is_recognized_by_its_header():
    assert is_section(HEADER + "# Title\n", PATH)
    assert not is_section("# Title\n\n" + HEADER, PATH)
    assert not is_section("---\nkernelspec: {name: python3}\n---\n# Title\n", PATH)
    assert not is_section("{ref}`begins with a brace`\n", PATH)


def test_cells_have_frameworks_tags_and_lines():
    parsed = section(
        "\n# Title\n\n"
        + cell("shared = 1")
        + cell("torch = 1", ":tags: [pytorch, same-code, hide-input]", "")
        + "Text.\n\n"
        + cell("two = 1", ":tags: [mxnet, tensorflow]")
    )
    lines = (HEADER + "\n# Title\n\n").count("\n")
    title, shared, torch, text, two = parsed.cells
    assert (title.kind, title.source, title.line) == ("markdown", "# Title", 6)
    assert (shared.frameworks, shared.shared) == (tuple(FRAMEWORKS), True)
    assert shared.line == lines + 2
    assert (torch.frameworks, torch.shared) == (("pytorch",), False)
    assert torch.tags == ("same-code", "hide-input")
    assert torch.line == lines + 8
    assert text.source == "Text."
    assert two.frameworks == ("mxnet", "tensorflow")
    assert parsed.code_cells("pytorch") == [shared, torch]
    assert parsed.notebook_path("pytorch") == Path("notebooks/pytorch/small.ipynb")


def test_markup_in_a_term_is_found_as_well_as_in_its_definition():
    assert [each.text for each in inlines("{kbd}`a`\n: {kbd}`b`")] == ["a", "b"]


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_section_survives_jupytext(tmp_path, name):
    cli = pytest.importorskip("jupytext.cli")
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    written = ROOT / "tests" / "booktools" / "small_book" / "chapters" / f"{name}.md"
    path, again = tmp_path / "a.ipynb", tmp_path / f"{name}.md"
    cli.jupytext(["--to", "ipynb", str(written), "-o", str(path)])
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.language_info = {"name": "python", "version": "3.13.0"}
    for each in notebook.cells:  # as JupyterLab does
        each.metadata.update(editable=True, slideshow={"slide_type": ""}, id="a")
    nbformat.write(notebook, path)
    cli.jupytext(["--to", "md:myst", str(path), "-o", str(again)])
    before, after = (
        read_section(each.read_text("utf-8"), PATH) for each in (written, again)
    )
    cells = [[replace(c, line=0) for c in each.cells] for each in (before, after)]
    assert before.frameworks == after.frameworks
    assert cells[0] == cells[1]


def test_outputs_are_merged_into_one_cell_or_one_per_framework():
    parsed = section(
        "# Title\n\n"
        + cell("same = 1")
        + cell("differs = 1")
        + cell("x = 1", ":tags: [mxnet, pytorch]")
    )

    def stored(name):
        cells = [nbformat.v4.new_code_cell("!")]  # the first cell installs packages
        for each in parsed.code_cells(name):
            text = "same" if "same" in each.source else name
            output = nbformat.v4.new_output("stream", text=text)
            cells.append(nbformat.v4.new_code_cell("x", outputs=[output]))
        return nbformat.v4.new_notebook(cells=cells)

    merged = merge(parsed, {name: stored(name) for name in parsed.frameworks})
    assert merged.metadata.source_map == [4, 7, *[11] * len(FRAMEWORKS), 16, 16]
    owned = [each.metadata.get("booktools", {}) for each in merged.cells]
    groups = [each.get("group") for each in owned]
    assert groups == [None, None, *[2] * len(FRAMEWORKS), None, None]
    owners = [each.get("framework") for each in owned]
    assert owners == [None, None, *FRAMEWORKS, "mxnet", "pytorch"]
    shown = [each.outputs[0].text for each in merged.cells[1:]]
    assert shown == ["same", *owners[2:]]
