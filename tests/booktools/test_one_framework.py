"""Tests that you can work with one framework without the others."""

from __future__ import annotations

from test_sphinx import page, tabs

from booktools import __main__, missing_modules
from booktools.execution import execute
from small_book import ROOT, build, copy_book, replace


def test_the_book_is_made_and_built_with_only_one_framework(
    tmp_path, monkeypatch, capsys
):
    """It also contains the example section of CONTRIBUTING.md."""
    root = copy_book(tmp_path / "book")
    complete = not missing_modules("pytorch")
    if complete:
        shown = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
        text = shown.split("````markdown\n")[1].split("````\n")[0]
        (root / "chapters" / "lines.md").write_text(text, "utf-8")
        toc = "      - file: chapters/second\n"
        replace(root / "_toc.yml", toc, toc + toc.replace("second", "lines"))
        (root / "d2lutils").symlink_to(ROOT / "d2lutils")
    monkeypatch.setattr(execute, "missing_modules", lambda framework: [])
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", "pytorch")
    assert __main__.main(["notebooks", "--root", str(root)]) == 0
    assert "notebooks/mxnet" not in capsys.readouterr().out
    assert __main__.main(["check", "--root", str(root)]) == 0
    done = build(root)
    assert done.returncode == 0, done.stderr
    shown = [tabs(each) for each in page(root).find_all("div", class_="sd-tab-set")]
    assert shown
    assert all(list(each) == ["PyTorch"] for each in shown)
    assert "train loss 0.36" in page(root).get_text()
    assert "Not for the third" not in page(root).get_text()
    downloads = root / "_build" / "html" / "_downloads" / "notebooks"
    names = {path.name for path in downloads.glob("*.ipynb")}
    if complete:
        assert "The best slope is 2.00." in page(root, "chapters/lines").get_text()
        names.remove("lines-pytorch.ipynb")
    assert names == {"first-pytorch.ipynb", "second-all.ipynb"}

    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", "")
    assert __main__.main(["check", "first", "--root", str(root)]) == 1
    assert "notebooks/mxnet/first.ipynb is missing" in capsys.readouterr().err
    monkeypatch.setenv("BOOKTOOLS_FRAMEWORK", "pytorch torch")
    assert __main__.main(["check", "--root", str(root)]) == 1
    said = "FRAMEWORK names 'torch'; expected one or more of mxnet, pytorch"
    assert said in capsys.readouterr().err
