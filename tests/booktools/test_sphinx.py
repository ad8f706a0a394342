"""Tests that pages show each framework's code and outputs, or that the build fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from booktools import FRAMEWORKS, Framework
from booktools.execution.downloads import build_wheel
from booktools.execution.install import install_cell
from booktools.source.book import Page
from booktools.sphinx.html import draw_bars, keep_together
from booktools.sphinx.predictions import cover_answers
from booktools.sphinx.search import framework_words
from booktools.sphinx.sources import read_page
from booktools.sphinx.tabs import _choose_framework
from small_book import ROOT, build, copy_book, replace, run_notebooks

FIRST = Path("chapters", "first.md")
TORCH = Path("notebooks", "pytorch", "first.ipynb")
SITE = "https://example.org/book"
REPOSITORY = "https://github.com/some/book"
# Adding a framework takes one line in the list, and a section that uses it.
ABACUS = Framework("abacus", "Abacus", "abacus")
LISTED = f"from booktools import *; FRAMEWORKS['abacus'] = {ABACUS!r}; "
THIRD = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3, language: python}
booktools: {frameworks: [abacus]}
---
# The Third Section

```{code-cell} ipython3
:tags: [abacus]
import abacus

print(abacus.count(3))
```

:::{framework} abacus
Move a bead.
:::
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Make the small book with a repository, another framework and all notebooks."""
    root = copy_book(tmp_path_factory.mktemp("built") / "book")
    (root / "chapters" / "third.md").write_text(THIRD, encoding="utf-8")
    toc = "      - file: chapters/second\n"
    replace(root / "_toc.yml", toc, toc + toc.replace("second", "third"))
    replace(root / "_config.yml", "baseurl: ''", f"baseurl: {SITE}")
    replace(root / "_config.yml", "  url: ''", f"  url: {REPOSITORY}")
    # Fake the frameworks, so the first cells don't try to install them.
    found = root.parent / "found"
    for framework in FRAMEWORKS.values():
        for name in (framework.module, *framework.others):
            (found / name).mkdir(parents=True)
    (found / "abacus.py").write_text("count = 'o'.__mul__\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(FRAMEWORKS, "abacus", ABACUS)
        monkeypatch.setenv("PYTHONPATH", str(found), prepend=os.pathsep)
        run_notebooks(root, monkeypatch)
    return root


@pytest.fixture(scope="module")
def built(executed):
    """Build the same book as HTML."""
    done = build(executed, before=LISTED)
    assert done.returncode == 0, done.stdout + done.stderr
    return executed


def copy(book, root):
    """Copy a book and its notebooks, without earlier builds."""
    ignore = shutil.ignore_patterns("_build")
    return shutil.copytree(book, root, ignore=ignore, dirs_exist_ok=True)


@pytest.fixture
def root(tmp_path, executed):
    """Make a copy that a test may change."""
    return copy(executed, tmp_path / "book")


def parse(markup):
    return BeautifulSoup(markup, "html.parser")


def page(root, name="chapters/first", part="article"):
    """Return an element of a page, or the whole page."""
    html = (root / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")
    return parse(html).select_one(part) if part else parse(html)


def tabs(tab_set):
    """Return the text of each tab in a tab set, by the tab's name."""
    labels = tab_set.find_all("label", recursive=False)
    contents = tab_set.find_all("div", class_="sd-tab-content", recursive=False)
    return {
        label.get_text(strip=True): " ".join(content.get_text().split())
        for label, content in zip(labels, contents, strict=True)
    }


def test_a_section_names_the_frameworks_it_has_no_code_for(built):
    notes = {each["class"][1]: each.text for each in page(built).select(".lacking")}
    assert set(notes) == {"lacking-jax", "lacking-abacus"}
    assert notes["lacking-jax"].endswith(
        "no code in JAX here, only in MXNet, PyTorch, TensorFlow."
    )
    assert not page(built, "chapters/second").select(".lacking")


def test_neighboring_cells_and_prose_become_one_tab_set(built):
    first = page(built).select_one(".sd-tab-set")
    prose = "Not for the third, see Figure 1.1."
    code = 'name = "tf" def twice(x): return 2 * x'
    assert tabs(first) == {
        "MXNet": f'{prose} name = "mx"',
        "PyTorch": 'name = "torch"',
        "TensorFlow": f"{prose} {code}",
    }


def test_tab_sets_are_synchronized_and_the_default_is_open(built):
    for tab_set in page(built).select(".sd-tab-set"):
        labels = tab_set.select(":scope > label")
        assert {label["data-sync-group"] for label in labels} == {"framework"}
        ids = [label["data-sync-id"] for label in labels]
        assert ids == ["mxnet", "pytorch", "tensorflow"]
        chosen = tab_set.select(":scope > input[checked]")
        assert [each["id"] for each in chosen] == [labels[1]["for"]]


def test_a_shared_cell_is_shown_once_unless_its_outputs_differ(built):
    article = page(built)
    assert article.text.count("the same in all\n") == 1
    assert article.text.count("ZeroDivisionError: division by zero") == 1
    code = 'print(f"{name}: train loss {0.31 + len(name) / 100:.3f}")'
    assert tabs(article.select(".sd-tab-set")[1]) == {
        "MXNet": f"{code} mx: train loss 0.330",
        "PyTorch": f"{code} torch: train loss 0.360",
        "TensorFlow": f"{code} tf: train loss 0.330",
    }


def test_a_figure_has_one_caption_and_one_number_for_all_tabs(built):
    line, dot = page(built).select("figure")
    assert line["id"] == "fig-line"
    assert len(line.select(".sd-tab-set")) == 1
    assert [each["alt"] for each in line("img")] == ["A line that falls."] * 3
    assert len({each["src"] for each in line("img")}) == 3
    assert line.figcaption.get_text(strip=True).startswith("Figure 1.1")
    assert not dot.select(".sd-tab-set")
    assert [each["alt"] for each in dot("img")] == ["A dot."]
    assert dot.figcaption.get_text(" ", strip=True).startswith("Figure 1.2 A dot")


def test_references_lead_to_their_targets(built):
    links = {a.text: a["href"] for a in page(built).select("a.reference")}
    expected = {
        "Figure 1.1": "#fig-line",
        "figure 1.2": "#fig-shared",
        "(1.1)": "#equation-eq-line",
        "The Second Section": "second.html#sec-second",
        "Exercise 1.1": "#ex_slope",
    }
    assert {text: links[text] for text in expected} == expected
    other = page(built, "chapters/second")
    assert other.find("a", string="Figure 1.1")["href"] == "first.html#fig-line"
    assert not other.select(".sd-tab-set")
    assert "all together" in other.text


def test_only_the_page_with_a_figure_loads_its_scripts(built):
    html = built / "_build" / "html"
    place = page(built, "chapters/second").select_one("div.interactive#beads")
    assert place.template.get_text().strip() == "No beads yet."
    texts = {path: path.read_text(encoding="utf-8") for path in html.rglob("*.html")}
    (text,) = [text for text in texts.values() if "beads" in text]
    loaded = re.findall(r'"\.\./_static/(interactive/[^"?]*)', text)
    assert loaded == ["interactive/beads/beads.css", "interactive/beads.js"]
    # All of its scripts, without comments and indentation.
    script = (html / "_static" / loaded[1]).read_text(encoding="utf-8")
    assert script == (
        '"use strict";\n{\nconst beads = "∘∘∘";\n'
        'document.getElementById("beads").textContent = beads;\n}\n'
    )
    learned = (html / "_static" / "interactive" / "beads" / "learned.js").read_text()
    assert learned == "const learned = [2.5, 0.0999755859375];\n"


def test_pages_load_only_what_they_use_and_do_not_wait_for_it(built):
    home, first, search = (
        page(built, name, "head")
        for name in ("chapters/index", "chapters/first", "search")
    )
    for head in (home, first):
        assert all(each.has_attr("defer") for each in head.select("script[src]"))
    for unused in ("fontawesome", "preload", "docsearch", "DOCUMENTATION_OPTIONS."):
        assert unused not in f"{first}{search}"
    used = [
        ("MathJax" in str(h), "searchtools" in str(h)) for h in (home, first, search)
    ]
    assert used == [(False, False), (True, False), (False, True)]


def test_adding_a_framework_takes_one_line(built):
    shown = tabs(page(built, "chapters/third").select_one(".sd-tab-set"))
    assert shown == {"Abacus": "import abacus print(abacus.count(3)) ooo Move a bead."}
    assert (built / "notebooks" / "abacus" / "third.ipynb").is_file()


def test_plain_pages_and_boxes_can_contain_tabs(built):
    shown = tabs(page(built, "chapters/plain").select_one(".sd-tab-set"))
    assert shown == {"MXNet": "Or that.", "PyTorch": "Choose this tab."}
    found = page(built, "chapters/boxes")
    for link in found.select("a.headerlink"):
        link.decompose()
    one = "Both have it. One has a number: (1)\\[ a = b \\]"
    for box, expected in {
        "note": {"MXNet": "Both have it.", "PyTorch": one},
        "folded": {"MXNet": "In a dropdown."},
        "exercise": {"PyTorch": "In an exercise, by (1)."},
        "solution": {"MXNet": "In a solution."},
    }.items():
        assert [tabs(each) for each in found.select(f".{box} .sd-tab-set")] == [
            expected
        ]
    assert found.find(id=found.find("a", string="(1)")["href"][1:])


def test_a_section_offers_its_notebooks(built):
    html = built / "_build" / "html"
    for name, expected in {
        "first": ["MXNet", "PyTorch", "TensorFlow"],
        "second": ["The"],
        "plain": [],
    }.items():
        header = page(built, f"chapters/{name}", ".article-header-buttons")
        links = header.select("a[href*='_downloads/']")
        told = [a.get_text(strip=True) for a in links]
        assert told == [f"{title} notebook" for title in expected]
        assert all((html / "chapters" / link["href"]).is_file() for link in links)
    offered = {path.name for path in (html / "_downloads" / "notebooks").iterdir()}
    assert offered == {
        *(f"first-{each}.ipynb" for each in ("mxnet", "pytorch", "tensorflow")),
        *("second-all.ipynb", "third-abacus.ipynb"),
    }


def test_only_the_books_own_pages_are_built(built):
    names = {path.stem for path in (built / "_build/html/chapters").glob("*.html")}
    assert names == {"index", "first", "second", "third", "plain", "boxes"}


def test_links_to_colab_and_the_repository_appear_once_known(built):
    """Also check that pages don't show the cell that installs packages."""
    text = str(page(built, part=None))
    prefix = "https://colab.research.google.com/github/some/book/blob/main/"
    for shown in (
        f'href="{prefix}notebooks/pytorch/first.ipynb"',
        f'href="{REPOSITORY}/edit/main/chapters/first.md',
        f'href="{REPOSITORY}/issues/new?',
        f'content="{SITE}/_static/preview.png" property="og:image"',
        f'content="{SITE}/chapters/first.html" property="og:url"',
    ):
        assert shown in text
    assert "mybinder" not in text
    assert "The notebook in Colab" in str(page(built, "chapters/second", None))
    assert "find_spec" not in text
    first = nbformat.read(built / TORCH, as_version=4).cells[0]
    assert f"d2lutils{{extras}} @ git+{REPOSITORY}@main" in first.source
    assert (first.execution_count, first.outputs) == (1, [])
    assert (built / "_build/html/_static/preview.png").is_file()
    assert page(built, "404", "base")["href"] == f"{SITE}/"


def test_a_claim_is_folded_into_one_line_and_listed(built):
    (claim,) = page(built, "chapters/second").select("div.tag_claim")
    told = [each.get_text() for each in claim.summary("p")]
    assert told == ["Checked: the first is the larger"] * 2
    assert "assert learned[0]" in claim.details.pre.get_text()
    assert "open" not in claim.details.attrs
    plain = page(built, "chapters/plain")
    listed = [each.get_text() for each in plain("li")]
    assert "The first is the larger: learned[0] > learned[1]" in listed
    # Works have no label.
    (work, *_) = plain.select(".citation")
    assert not work.get_text(strip=True).startswith("[")


def test_latex_keeps_the_chosen_framework_and_code_does_not_float(root):
    config = root / "_config.yml"
    replace(config, "    project:", "    booktools_framework: mxnet\n    project:")
    done = build(root, "--builder", "latex", before=LISTED)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (root / "_build" / "latex").glob("*.tex")
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"\\PYG\{[^}]*\}\{([^}]*)\}", r"\1", text)
    for kept in ("mx: train loss 0.330", "Not for the third", "first is the larger."):
        assert kept in code
    for other in ("torch: train", "tf: train", "Choose this tab", "PyTorch", "assert "):
        assert other not in code
    floats = re.findall(r"\\begin\{figure\}.*?\\end\{figure\}", text, re.S)
    assert len(floats) == 2
    assert all("caption" in each and "Verbatim" not in each for each in floats)
    assert "sphinxincludegraphics" in floats[1]


@pytest.mark.parametrize(
    ("option", "variable", "said"),
    [
        ("caffe", "", "booktools_framework is 'caffe'; expected one of mxnet, pytorch"),
        ("pytorch", "pytorch torch", "FRAMEWORK names 'torch'; expected one or more"),
    ],
)
def test_an_unknown_framework_is_reported(monkeypatch, capsys, option, variable, said):
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", variable)
    with pytest.raises(SystemExit):
        _choose_framework(Mock(), Mock(booktools_framework=option))
    assert said in capsys.readouterr().err


# -- mistakes ----------------------------------------------------------------------


SEEN_BY_SPHINX = {
    "{rle}`a`": 'Unknown interpreted text role "rle"',
    "![a](none.png)": "image file not readable: chapters/none.png",
    "![](dot.png)": "the picture has no text alternative; say what it shows",
    "{ref}`sec_nowhere`": "undefined label: 'sec_nowhere'",
    "{numref}`fig_nowhere`": "undefined label: 'fig_nowhere'",
    "{eq}`eq_nowhere`": "equation not found: eq_nowhere",
    "{doc}`nowhere`": "unknown document: 'nowhere'",
    "[a](none.md)": "'myst' cross-reference target not found: 'none.md'",
    "{cite:p}`Nobody`": 'could not find bibtex key "Nobody"',
    "```{tpi}\nA.\n```": "Unknown directive type: 'tpi'",
    "```{figure} none.png\n:alt: A.\n```": "image file not readable: chapters/none.png",
    "```{note}\n:clss: a\n\nA.\n```": "'note': Unknown option keys: ['clss']",
    ":::{framework} mxnte\nA.\n:::": "names 'mxnte'; expected one or more of mxnet",
    "```{interactive} none\n```": "no figure 'none'; write interactive/none/figure.yml",
    "```{framework-api} none\n```": "no module of d2lutils defines none; correct the",
    "```{exercise-list}\n```": "first.md:117: the exercise needs a title, a :label:",
    ":::{output-figure} fig_nothing\n:alt: A.\n\nB.\n:::": "must follow the code cells",
    ":::{output-figure} fig_mute\n\nA.\n:::": "needs a caption, and in :alt:",
    ":::{framework} mxnet\nWords.\n:::\n\n:::{output-figure} fig_words\n:alt: A.\n\nB."
    "\n:::": "output-figure follows cells that show no",
}


@pytest.fixture(scope="module")
def broken(executed, tmp_path_factory):
    """Build the book with every mistake that only a build finds."""
    root = copy(executed, tmp_path_factory.mktemp("broken") / "book")
    plain, place = root / "chapters" / "plain.md", "```{bib"
    replace(plain, place, "\n\n".join([*SEEN_BY_SPHINX, place]))
    Image.new("L", (30, 20)).save(root / "chapters" / "dot.png")
    (root / "notebooks" / "all" / "second.ipynb").unlink()
    (root / "interactive" / "beads" / "second.npz").unlink()
    edited = root / "notebooks" / "tensorflow" / "first.ipynb"
    replace(edited, "tf: train loss 0.330", "tf: train loss 0.300")
    drawn = root / "notebooks" / "abacus" / "third.ipynb"
    notebook = nbformat.read(drawn, as_version=4)
    picture = nbformat.v4.new_output("display_data", {"image/svg+xml": "<svg></svg>"})
    cells = [each for each in notebook.cells if each.cell_type == "code"]
    cells[-1].outputs = [picture]
    nbformat.write(notebook, drawn)
    line = replace(root / FIRST, 'name = "torch"', 'name = "pt"')
    # Outdated notebooks make it fail even if warnings are allowed.
    done = build(root, before=LISTED, strict=False)
    assert done.returncode == 1
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
    print(said)
    return SimpleNamespace(root=root, line=line, said=said)


def test_every_outdated_notebook_is_named(broken):
    for told in (
        rf"first.md:{broken.line}: ERROR: .*pytorch/first.ipynb does not match.*",
        "second.md:1: ERROR: .*all/second.ipynb is missing or cannot be read",
        "WARNING: notebooks need a new run because a cell was run or edited after "
        "booktools ran them: notebooks/tensorflow/first.ipynb, notebooks/abacus/third",
    ):
        assert re.search(f"{told}.*; run: python -m booktools notebooks", broken.said)
    assert broken.said.count("does not match") == 1


def test_only_outdated_notebooks_lose_their_outputs(broken):
    first = page(broken.root)
    names, results, *_ = map(tabs, first.select(".sd-tab-set"))
    assert names["PyTorch"] == 'name = "pt"'
    assert first.text.count("the same in all\n") == 1
    endings = {name: text.partition('}") ')[2] for name, text in results.items()}
    assert endings == {
        "MXNet": "mx: train loss 0.330",
        "PyTorch": "",
        "TensorFlow": "tf: train loss 0.300",
    }
    assert len(first.figure("img")) == 2


@pytest.mark.parametrize("mistake", SEEN_BY_SPHINX)
def test_mistakes_that_only_sphinx_finds_are_reported_by_line(broken, mistake):
    text = (broken.root / "chapters" / "plain.md").read_text(encoding="utf-8")
    directive = max(0, mistake.rfind(":::{"))  # the last one, if there are two
    line = text[: text.index(mistake) + directive].count("\n") + 1
    words = re.escape(SEEN_BY_SPHINX[mistake])
    assert re.search(rf"plain\.md:{line}: .*{words}", broken.said)


def test_missing_weights_and_text_alternatives_are_reported(broken):
    assert "there is no interactive/beads/second.npz; run: python -m" in broken.said
    line = THIRD.split("\n").index("import abacus") + 1
    told = f"third.md:{line}: WARNING: the picture has no text alternative; "
    assert told in broken.said


def pages(root):
    """Return the pages and the notebooks that were built, by name."""
    folder = root / "_build" / "html"
    return {
        path.relative_to(folder): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in (".html", ".ipynb")
    }


def test_a_build_leaves_nothing_from_a_failed_or_earlier_one(broken, built):
    root = broken.root
    # Files left by a section and a page that no longer exist.
    html = root / "_build" / "html"
    (html / "_downloads" / "notebooks" / "gone-mxnet.ipynb").touch()
    (html / "chapters" / "gone.html").touch()
    copy(built, root)
    done = build(root, before=LISTED)
    assert done.returncode == 0, done.stderr
    assert pages(root) == pages(built)


def test_an_unreadable_book_is_reported_in_one_line(root):
    line = replace(root / FIRST, "same-code", "smae-code")
    done = build(root)
    assert done.returncode != 0
    said = f"Book error: chapters/first.md:{line - 1}: unknown tag 'smae-code'; expect"
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


# -- parts of pages -----------------------------------------------------------------


OUT = "<div class='cell'><pre>code</pre><div class='cell_output'>{}</div></div>"
CHECKED = "<div class='cell tag_claim'><details>Checked: it is so</details></div>"
TABLE = "<div class='pst-scrollable-table-container'><table></table></div>"


@pytest.mark.parametrize(
    ("after", "covered"),
    [
        # Nothing before the output or after the claim is part of the answer.
        (f"<p>a</p>{OUT.format(1)}<p>b</p>{CHECKED}<p>c</p>", "1 b Checked: it is so"),
        # A picture and its caption, an output after it, the text between them, and
        # claims in tabs.
        (
            f"<figure>{OUT.format(1)}<figcaption>c</figcaption></figure><p>b</p>"
            f"{OUT.format(2)}<div class='frameworks'>{CHECKED}</div>",
            "1 c b 2 Checked: it is so",
        ),
        # Text without a claim, or before a formula or code, doesn't tell the result.
        (f"{OUT.format(1)}{OUT.format(2)}<p>b</p>", "1 2"),
        (f"{OUT.format(1)}<p>b</p><pre>x</pre>{CHECKED}", "1 Checked: it is so"),
        # An answer may begin with a table, and ends at another question or a heading.
        (f"{TABLE}<p>b</p>", ""),
        (f"<details>x</details>{OUT.format(1)}", None),
        (f"<h2>x</h2>{OUT.format(1)}", None),
    ],
)
def test_everything_that_answers_a_question_is_covered(after, covered):
    question = "<details class='folded'><summary>Predict: what?</summary></details>"
    page = parse(question + after)
    cover_answers(page)
    assert (page.details.get("data-question") is None) == (covered is None)
    for button in page("button"):
        assert button.string.startswith("Show the ")
        button.decompose()
    parts = [part.get_text() for part in page.select(".predicted[data-question='0']")]
    assert " ".join(parts).strip() == (covered or "")


def test_short_code_and_punctuation_after_formulas_stay_on_their_line():
    long = "a_name_that_is_longer_than_a_line_of_a_phone"
    page = parse(
        f'<p><code>relu</code> <code>{long}</code> <span class="math">x</span>, and '
        '<span class="math">y</span> too</p>'
        "<table><td><p><code>z</code></p></td></table>"
    )
    keep_together(page)
    assert [part.get_text() for part in page.select(".together")] == ["relu", "x,"]
    assert page.p.get_text() == f"relu {long} x, and y too"


def test_seconds_in_a_table_get_bars():
    rows = (("b", "2.50", "–"), ("a", "0.50", "1.25"), ("b / a", "5.0", "–"))
    number = "</td><td class='number'>"
    table = "".join(f"<tr><td>{number.join(row)}</td></tr>" for row in rows)
    page = parse(f"<div class='bars'><table><tbody>{table}</tbody></table></div>")
    draw_bars(page)
    drawn = {cell.text: cell["style"] for cell in page.select("td[style]")}
    shares = {"2.50": "1.000", "0.50": "0.200", "1.25": "0.500"}
    assert drawn == {text: f"--share: {share}" for text, share in shares.items()}


def test_search_words_are_listed_by_framework(tmp_path):
    path = tmp_path / "page.md"
    page = Page(
        path,
        "# Title\n\nAll take steps.\n\n"
        ":::{framework} mxnet pytorch\nRows of steps, *backward*.\n:::\n\n"
        "::::{note}\n:class: wide\n:::{framework} tensorflow\nA tape.\n:::\n::::\n\n"
        # A word in all tabs doesn't count.
        ":::{framework} mxnet tensorflow\nAlike.\n:::\n\n"
        ":::{framework} pytorch jax\nAlike.\n:::\n",
    )
    both = "backward of row"
    found = {"mxnet": both, "pytorch": both, "tensorflow": "a tape", "jax": ""}
    assert framework_words(page) == found
    assert framework_words(Page(path, "# Title\n\nAll take steps.\n")) == {}


def test_a_plain_page_may_start_with_anything():
    notebook = read_page('{"cells": 1} is not a notebook.\n')
    assert notebook.cells[0].source.startswith('{"cells": 1}')
    notebook = read_page("---\nkey: value\n---\n\n# Title\n")
    assert notebook.metadata["key"] == "value"
    assert notebook.metadata.source_map == [2]


SEARCHES = """\
from d2lutils import require
_ = require("optuna", extra="search")
_ = require("distributed", extra="search")
"""


@pytest.mark.parametrize(
    ("there", "code", "installed"),
    [
        ({"d2lutils", "torch"}, "", []),
        ({"torch"}, "", ["./d2lutils-1.whl"]),
        ({"d2lutils"}, "", ["./d2lutils-1.whl[torch]"]),
        (set(), "", ["./d2lutils-1.whl[torch]"]),
        ({"d2lutils", "torch", "optuna"}, SEARCHES, ["./d2lutils-1.whl[search]"]),
        ({"d2lutils", "torch", "optuna", "distributed"}, SEARCHES, []),
        (set(), SEARCHES, ["./d2lutils-1.whl[torch,search]"]),
    ],
)
def test_the_first_cell_installs_only_missing_packages(
    monkeypatch, there, code, installed
):
    cells = [nbformat.v4.new_code_cell(code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    source = install_cell(notebook, "pytorch", "./d2lutils-1.whl{extras}").source
    source = re.sub(r'!"{sys.*}" -m pip .*? (".*")', r"done.append(f\1)", source)
    done = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in there or done)
    exec(source, {"done": done})
    assert done == installed


def test_the_first_cell_says_what_to_do_if_installing_fails(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for wheel in ("./d2lutils-1.whl", "d2lutils @ https://x.org/a.whl"):
        source = install_cell(nbformat.v4.new_notebook(), "pytorch", wheel).source
        source = re.sub(r'!"{sys.*}" -m pip .*', "pass", source)
        with pytest.raises(ImportError, match="run this cell again") as error:
            exec(source, {})
        saved = "Save d2lutils-1.whl next to" in str(error.value)
        assert saved == wheel.startswith(".")


# -- the rooms of the house --------------------------------------------------------


def test_the_extension_imports_no_kernel_client():
    clients = {"nbclient", "jupyter_client", "zmq"}
    code = f"import sys, booktools.sphinx; assert not {clients} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("room", "foreign"),
    [
        ("source", "nbformat jupytext nbclient sphinx docutils booktools.execution"),
        ("execution", "sphinx docutils myst_nb"),
    ],
)
def test_modules_import_only_from_lower_layers(room, foreign):
    imported = rf"^ *(from|import) ({'|'.join(foreign.split())}|booktools.sphinx)\b"
    paths = list((ROOT / "booktools" / room).glob("*.py"))
    assert paths
    for path in paths:
        assert not re.search(imported, path.read_text("utf-8"), re.M), path


def test_a_wheel_is_reproducible_and_rebuilt_only_after_a_change(tmp_path):
    root, folder, record = tmp_path / "root", tmp_path / "out", tmp_path / "record"
    (root / "d2lutils").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    code = root / "d2lutils" / "__init__.py"
    code.write_text('__version__ = "1.0"\n', encoding="utf-8")
    wheel = folder / build_wheel(root, folder, record)
    first, built = wheel.read_bytes(), wheel.stat().st_mtime_ns
    assert build_wheel(root, folder, record) == wheel.name
    assert wheel.stat().st_mtime_ns == built
    wheel.unlink()
    assert build_wheel(root, folder, record) == wheel.name
    assert wheel.read_bytes() == first
    code.write_text('__version__ = "1.1"\n', encoding="utf-8")
    newer = folder / build_wheel(root, folder, record)
    assert newer.name != wheel.name
    assert list(folder.iterdir()) == [newer]
    assert build_wheel(tmp_path, tmp_path, tmp_path / "none.txt") is None
