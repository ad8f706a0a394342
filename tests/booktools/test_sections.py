"""Sections are taken apart, compared with their notebooks and merged back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from booktools import FRAMEWORKS, SourceError
from booktools.execution.merge import merge
from booktools.execution.split import assemble
from booktools.execution.stored import difference, same_code
from booktools.source.sections import is_section, read_section

ROOT = Path(__file__).parents[2]
PATH = Path("chapters/small.md")
HEADER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3, language: python}
---
"""


def cell(source: str, *options: str) -> str:
    return "\n".join(["```{code-cell} ipython3", *options, source, "```", "", ""])


def section(body: str, header: str = HEADER):
    return read_section(header + body, PATH)


def notebooks(parsed, outputs):
    """Make a notebook for each framework; outputs is called with its name."""
    made = {}
    for name in parsed.frameworks:
        parts = [
            (c if c.kind == "code" else c.line, c.source)
            for c in parsed.cells
            if name in c.frameworks
        ]
        made[name], _ = assemble(parsed, name, iter(parts))
        for c in made[name].cells:
            if c.cell_type == "code":
                c.outputs = [
                    nbformat.v4.new_output("stream", name="stdout", text=outputs(name))
                ]
                c.execution_count = 1
    return made


def test_a_section_is_known_by_its_header():
    assert is_section(HEADER + "# Title\n", PATH)
    assert not is_section("# Title\n\n" + HEADER, PATH)
    assert not is_section("---\nkernelspec: {name: python3}\n---\n# Title\n", PATH)
    assert not is_section("{ref}`begins with a brace`\n", PATH)


def test_cells_know_their_frameworks_tags_and_lines():
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
    assert [c.source for c in parsed.code_cells("pytorch")] == [
        "shared = 1",
        "torch = 1",
    ]
    assert parsed.notebook_path("pytorch") == Path("notebooks/pytorch/small.ipynb")


def test_what_editors_write_into_options_is_ignored():
    options = """\
---
editable: true
slideshow:
  slide_type: slide
tags: [pytorch, hide-input]
jupyter:
  source_hidden: true
id: 0a1b
---"""
    (read,) = section(cell("x = 1", options)).cells
    assert (read.frameworks, read.tags) == (("pytorch",), ("hide-input",))
    (read,) = section(cell("x = 1", ":tags: [pytorch]", ":collapsed: true")).cells
    assert read.frameworks == ("pytorch",)


def test_a_section_survives_jupytext(tmp_path):
    cli = pytest.importorskip("jupytext.cli")
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    book = ROOT / "tests" / "booktools" / "small_book" / "chapters"
    for name in ("first", "second"):
        cli.jupytext(
            ["--to", "ipynb", str(book / f"{name}.md"), "-o", f"{tmp_path}/a.ipynb"]
        )
        path = tmp_path / "a.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.language_info = {"name": "python", "version": "3.13.0"}
        for each in notebook.cells:
            each.metadata.update(editable=True, slideshow={"slide_type": ""}, id="a")
        nbformat.write(notebook, path)
        cli.jupytext(["--to", "md:myst", str(path), "-o", f"{tmp_path}/{name}.md"])
        before, after = (
            read_section((folder / f"{name}.md").read_text("utf-8"), PATH)
            for folder in (book, tmp_path)
        )
        assert before.frameworks == after.frameworks
        assert [replace(each, line=0) for each in before.cells] == [
            replace(each, line=0) for each in after.cells
        ]


def test_the_header_can_name_the_frameworks():
    header = HEADER.replace(
        "jupytext", "booktools: {frameworks: [tensorflow]}\njupytext"
    )
    assert section(cell("x = 1"), header).cells[0].frameworks == ("tensorflow",)
    wrong = header.replace("[tensorflow]", "[all, pytorch]")
    with pytest.raises(
        SourceError, match="names all pytorch; expected one or more of all"
    ):
        section(cell("x = 1"), wrong)


def test_identifiers_come_from_the_content_and_are_unique():
    twice = section("# Title\n\n" + cell("x = 1") + "Text.\n\n" + cell("x = 1"))
    first = notebooks(twice, lambda name: "")["pytorch"]
    again = notebooks(twice, lambda name: "")["pytorch"]
    ids = [c.id for c in first.cells]
    assert ids == [c.id for c in again.cells]
    assert len(set(ids)) == len(ids) == 4
    moved = section("Before.\n\n" + cell("y = 1") + cell("x = 1"))
    assert notebooks(moved, lambda name: "")["pytorch"].cells[2].id == ids[1]
    nbformat.validate(first)


def test_equal_outputs_of_a_shared_cell_are_merged_into_one():
    parsed = section("# Title\n\n" + cell("x = 1"))
    merged = merge(parsed, notebooks(parsed, lambda name: "same"))
    assert [c.cell_type for c in merged.cells] == ["markdown", "code"]
    assert "booktools" not in merged.cells[1].metadata
    assert merged.cells[1].outputs[0].text == "same"
    assert merged.metadata.source_map == [4, 7]


def test_different_outputs_of_a_shared_cell_stand_side_by_side():
    parsed = section(cell("x = 1"))
    merged = merge(parsed, notebooks(parsed, lambda name: name))
    owners = [c.metadata.booktools.framework for c in merged.cells]
    assert owners == list(FRAMEWORKS)
    assert [c.outputs[0].text for c in merged.cells] == owners
    assert len({c.metadata.booktools.group for c in merged.cells}) == 1


def test_cells_of_one_framework_get_its_outputs():
    parsed = section(
        cell("x = 1", ":tags: [tensorflow]") + cell("y = 1", ":tags: [mxnet, pytorch]")
    )
    merged = merge(parsed, notebooks(parsed, lambda name: name))
    shown = [(c.source, c.outputs[0].text) for c in merged.cells]
    assert shown == [("x = 1", "tensorflow"), ("y = 1", "mxnet"), ("y = 1", "pytorch")]


def changed(notebook, index, **values):
    copy = nbformat.from_dict(nbformat.v4.upgrade(notebook))
    copy = nbformat.reads(nbformat.writes(copy), as_version=4)
    copy.cells[index].update(values)
    return copy


def test_a_notebook_that_does_not_match_is_found_by_line():
    parsed = section("# Title\n\n" + cell("a = 1\nb = 2") + "End.\n")
    stored = notebooks(parsed, lambda name: "out")["pytorch"]
    parts = [(c if c.kind == "code" else c.line, c.source) for c in parsed.cells]
    fresh, lines = assemble(parsed, "pytorch", iter(parts))
    assert difference(fresh, lines, stored) is None

    def found(stored):
        return difference(fresh, lines, stored)

    told = "does not match: 'b = 3' there is 'b = 2' here"
    assert found(changed(stored, 1, source="a = 1\nb = 3")) == (9, told)
    assert found(changed(stored, 1, source="a = 1"))[0] == 9
    told = "does not match: '# Other' there is '# Title' here"
    assert found(changed(stored, 0, source="# Other")) == (5, told)
    assert "options" in found(changed(stored, 1, metadata={"tags": ["x"]}))[1]
    shorter = changed(stored, 0)
    shorter.cells.pop()
    assert found(shorter) == (12, "lacks what stands here")
    longer = changed(stored, 0)
    longer.cells.append(nbformat.v4.new_markdown_cell("more"))
    assert "goes on" in found(longer)[1]
    other = changed(stored, 0)
    other.metadata.booktools.framework = "jax"
    assert "another section or framework" in found(other)[1]


def test_only_code_decides_whether_outputs_may_be_kept():
    parsed = section("# Title\n\n" + cell("a = 1"))
    one = notebooks(parsed, lambda name: "")["pytorch"]
    assert same_code(one, changed(one, 0, source="# Other"))
    assert same_code(one, changed(one, 1, metadata={"tags": ["hide-input"]}))
    assert not same_code(one, changed(one, 1, source="a = 2"))
    assert not same_code(one, changed(one, 1, metadata={"tags": ["raises-exception"]}))
