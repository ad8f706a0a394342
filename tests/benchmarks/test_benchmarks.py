"""Tests of the benchmarks' statistics, and that the book shows the results."""

from __future__ import annotations

import json

import pytest

from benchmarks import report
from benchmarks.__main__ import counting, section
from benchmarks.kernels import figures_in
from benchmarks.work import MARK
from booktools import FRAMEWORKS
from booktools.execution.compare import drawings_agree


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(report.RESULTS.read_text("utf-8"))


def test_the_page_shows_the_results(results, tmp_path):
    page = report.PAGE.read_text("utf-8")
    assert report.with_results(page, results) == page
    pictures = {report.PICTURE: report.draw, report.PARTS: report.draw_parts}
    for picture, draw in pictures.items():
        draw(results, tmp_path / "new.svg")
        stored = picture.read_text("utf-8")
        assert drawings_agree(stored, (tmp_path / "new.svg").read_text("utf-8"))
        assert "benchmarks/results.json" in stored


def test_every_table_needs_a_place_on_the_page(results):
    with pytest.raises(ValueError, match="must have one '% table epoch', has 0"):
        report.with_results("no table here", results)


def test_sentences_contain_the_results(results):
    growth = [
        {"who": "torch", "varies": "batch size", "value": value, "seconds": seconds}
        for value, seconds in ((16, 6.0), (256, 2.0), (4096, 1.0))
    ]
    machine = results["machine"] | {"processor": "AMD EPYC(TM) 9B14", "cores": 3}
    texts = report.texts({"growth": growth, "machine": machine, "rounds": 7})
    assert "on 3 cores (AMD EPYC 9B14)" in texts["machine"]
    assert "in 7 rounds" in texts["machine"]
    assert "256 to batches of 16, an epoch takes 3.0 times as long" in texts["batch"]
    assert "4,096 to 256, it takes 2.0 times as long in PyTorch." in texts["batch"]


def test_a_table_without_figures_says_so(results):
    tables = report.tables(results | {"samples": {"torch": {}}})
    assert set(tables.values()) == {"*Not measured yet: run `make bench`.*"}


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=lambda each: each.tag)
def test_benchmarks_run_the_code_of_the_book(framework):
    for name in ("mlp-scratch", "mlp-concise"):
        code = section("d2l", framework, name, width=64, batch=16)
        for rest in ("d2lutils", "set_seed", "train_ch3"):
            assert rest not in code
        assert f"from d2l import {framework.module} as d2l" in code
        assert "batch_size = 16\n" in code
        assert "d2l.load_data_fashion_mnist(batch_size)" in code
        assert ("784, 10, 64\n" in code) is (name == "mlp-scratch")
    assert "count += 1" in counting(framework)
    assert "compile" not in counting(framework)


def test_every_curve_is_drawn(results, tmp_path, monkeypatch):
    """Even if there are more curves than colors."""
    monkeypatch.setattr(report.plotting, "COLORS", ("#0072B2", "#D55E00"))
    report.draw(results, tmp_path / "new.svg")
    drawn = (tmp_path / "new.svg").read_text("utf-8")
    names = [each.title for each in FRAMEWORKS.values()]
    for name in (*names, "NumPy by hand", "matrix products alone"):
        assert f"<!-- {name} -->" in drawn


def test_figures_are_medians_differences_and_ratios_over_rounds():
    samples = {
        # The machine has another speed in each round. The ratios are 8, 10 and 6.
        "d2l": {"epoch": [4.0, 9.0, 1.2], "memory": [2e9]},
        "d2lutils": {"epoch": [0.5, 0.9, 0.2], "load_first": [0.5], "read": [0.2]},
    }
    tables = report.tables({"samples": {"torch": samples, "jax": {}}})
    rows = [line[2:-2].split(" | ") for line in "\n".join(tables.values()).split("\n")]
    found = {row[0]: row[1:] for row in rows}
    assert found["whole epoch from scratch, original"] == ["4.00", "–"]
    assert found["original / `d2lutils`, from scratch"] == ["8.0", "–"]
    assert found["peak memory, original, GB"] == ["2.00", "–"]
    assert found["first loading of the data beyond reading, s"] == ["0.30", "–"]
    assert "later loading, ms" not in found


def test_figures_are_found_among_other_output():
    printed = f'epoch 1\n{MARK}{{"a": 1.5}}\nnoise {MARK}\n{MARK}{{"b": 2}}\n'
    assert figures_in(printed) == {"a": 1.5, "b": 2}


def test_the_claims_of_the_page_hold_in_the_results(results):
    """The page isn't a notebook, so we assert its claims here."""
    rows = [
        [each.strip() for each in line.strip("| ").split("|")]
        for line in "\n".join(report.tables(results).values()).split("\n")
    ]
    names = [each.title for each in FRAMEWORKS.values()]
    measured = {
        (row[0], name): float(cell)
        for row in rows
        for name, cell in zip(names, row[1:], strict=False)
        if cell.replace(".", "").isdigit()
    }
    for name in ("MXNet", "PyTorch"):
        batches = measured["original: making the batches", name]
        rest = measured["original: the rest of training", name]
        assert 0.4 < batches / (batches + rest) < 0.6
        parts = "the rest of training", "evaluation", "one drawing"
        assert batches > sum(measured[f"`d2lutils`: {part}", name] for part in parts)
        written = measured["with layers, as written", name]
        assert measured["with layers, compiled", name] > written
    for name in ("MXNet", "PyTorch", "TensorFlow"):
        own = measured["the framework's own loader", name]
        assert own > 2 * measured["`d2lutils`: making the batches", name]
    for name, share in (("TensorFlow", 0.5), ("JAX", 0.1)):
        written = measured["with layers, as written", name]
        assert measured["with layers, compiled", name] < share * written
    first = measured["with layers, compiled: first epoch", "PyTorch"]
    assert first > 2 * measured["with layers, compiled", "PyTorch"]
