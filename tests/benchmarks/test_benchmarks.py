"""Tests of the benchmarks' statistics, and that the book shows the results."""

from __future__ import annotations

import json
import os
import sys

import pytest
from nbclient.exceptions import CellExecutionError

from benchmarks import report
from benchmarks.__main__ import by_hand, section
from benchmarks.kernels import kernel
from booktools import FRAMEWORKS
from booktools.execution.compare import drawings_agree


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(report.RESULTS.read_text("utf-8"))


def test_the_page_shows_the_results(results, tmp_path):
    page = report.PAGE.read_text("utf-8")
    assert report.with_results(page, results) == page
    drawn = (report.draw, report.PICTURE), (report.draw_parts, report.PARTS)
    for draw, path in drawn:
        draw(results, tmp_path / "new.svg")
        stored = path.read_text("utf-8")
        assert drawings_agree(stored, (tmp_path / "new.svg").read_text("utf-8"))
        assert "benchmarks/results.json" in stored


def test_every_table_needs_a_place_on_the_page(results):
    with pytest.raises(ValueError, match="must have one '% results epoch', has 0"):
        report.with_results("no table here", results)


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=lambda each: each.tag)
def test_benchmarks_run_the_code_of_the_book(framework):
    for name in ("mlp-scratch", "mlp-concise"):
        code = section("d2l", framework, name, width=64, batch=16)
        for rest in ("d2lutils", "set_seed", "train_ch3", "assert"):
            assert rest not in code
        assert f"from d2l import {framework.module} as d2l" in code
        assert "batch_size = 16\n" in code
        assert "d2l.load_data_fashion_mnist(batch_size)" in code
        assert ("784, 10, 64\n" in code) is (name == "mlp-scratch")


def test_figures_are_medians_differences_and_ratios_over_rounds():
    samples = {
        # The machine has another speed in each round. The ratios are 8, 10 and 6.
        "d2l": {"epoch": [4.0, 9.0, 1.2], "memory": [2e9]},
        "d2lutils": {"epoch": [0.5, 0.9, 0.2], "train": [0.5], "iterate": [0.2]},
    }
    tables = report.tables({"samples": {"torch": samples, "jax": {}}})
    rows = [line[2:-2].split(" | ") for line in "\n".join(tables.values()).split("\n")]
    found = {row[0]: row[1:] for row in rows}
    assert found["whole epoch from scratch, original"] == ["4.00", "–"]
    assert found["original / `d2lutils`, from scratch"] == ["8.0", "–"]
    assert found["peak memory, original, GB"] == ["2.00", "–"]
    assert found["`d2lutils`: the rest of training"] == ["0.30", "–"]


def test_cells_return_their_values_and_errors(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(report.ROOT)}
    with kernel(sys.executable, env, tmp_path, by_hand(8, 4096)) as run:
        found = run("print({'a': 1})\ndict(a=1.5, cwd=__import__('os').getcwd())")
        assert found == {"a": 1.5, "cwd": str(tmp_path)}
        assert run("work.growth(2)").keys() == {"epoch", "products"}
        waits = "(__import__('time').sleep(0.5 * i) for i in range(2))"
        first, later = run(f"work.train_epoch = list\nwork.epochs({waits}, 2)")
        assert first > 0.5 > later > 0
        with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
            run("1 / 0")


def test_the_claims_of_the_page_hold_in_the_results(results):
    """The page isn't a notebook, so we assert its claims here."""

    def of(module, formula):
        return report.figure(results["samples"][module], formula)

    for module in ("mxnet", "torch"):
        assert 0.4 < of(module, "d2l.iterate / d2l.train") < 0.6
        assert of(module, "d2l.iterate / d2lutils.epoch") > 1
        assert of(module, "d2l.iterate / d2lutils.iterate") > 30
        assert of(module, "compile.compile_layers / compile.eager_layers") > 1
    for module, share in (("tensorflow", 0.5), ("jax", 0.1)):
        assert of(module, "compile.compile_layers / compile.eager_layers") < share
    assert of("torch", "compile.compile_layers_first / compile.compile_layers") > 2
    libraries = "d2l", "d2lutils"
    theirs, ours = (of("torch", f"{who}.train - {who}.iterate") for who in libraries)
    assert 3.5 < theirs / ours < 4
    seconds = {tuple(p.values())[:3]: p["seconds"] for p in results["growth"]}
    for module in report.TITLES:
        slow = module == "tensorflow"
        by_hand = of(module, "d2lutils.train / numpy.train")
        assert 3 < by_hand < 5 if slow or module == "mxnet" else by_hand < 2
        batches = (seconds[module, "batch size", size] for size in (16, 256, 4096))
        small, middle, large = batches
        assert 10.5 < small / middle < 11.5 if slow else 3 < small / middle < 7.5
        assert large / middle < 1 / 3 if slow else large / middle > 2 / 3
        widths = "hidden width", 64
        assert seconds["products", *widths] < 0.5 * seconds[module, *widths]
