"""That the benchmark adds up, and that the book shows what was measured."""

from __future__ import annotations

import json
from statistics import median

import matplotlib.pyplot as plt
import pytest

from benchmarks import cells, report, search
from benchmarks.kernels import MARK, figures_in
from booktools import FRAMEWORKS
from booktools.execution.compare import drawings_agree


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(report.RESULTS.read_text("utf-8"))


BENCHMARKS = pytest.mark.parametrize("benchmark", [report, search])


@BENCHMARKS
def test_the_page_shows_what_was_measured(benchmark):
    results = json.loads(benchmark.RESULTS.read_text("utf-8"))
    page = benchmark.PAGE.read_text("utf-8")
    assert benchmark.with_results(page, results) == page


@BENCHMARKS
def test_the_pictures_show_what_was_measured(benchmark, tmp_path):
    results = json.loads(benchmark.RESULTS.read_text("utf-8"))
    benchmark.draw(results, *(tmp_path / path.name for path in benchmark.PICTURES))
    for path in benchmark.PICTURES:
        stored = path.read_text("utf-8")
        assert drawings_agree(stored, (tmp_path / path.name).read_text("utf-8"))
        assert f"benchmarks/{benchmark.RESULTS.name}" in stored
        for new in tmp_path.glob(f"{path.stem}.png"):
            pixels = [plt.imread(png) for png in (path.with_suffix(".png"), new)]
            assert pixels[0].shape == pixels[1].shape
            assert abs(pixels[0] - pixels[1]).mean() < 0.01


def test_medians_are_those_of_the_samples(results):
    for framework, parts in results["samples"].items():
        for who, figures in parts.items():
            for name, values in figures.items():
                assert results["medians"][framework][who][name] == median(values)


def test_a_table_of_the_page_must_have_its_place(results):
    with pytest.raises(ValueError, match="must have one '% table epoch', has 0"):
        report.with_results("no table here", results)


def test_sentences_hold_what_was_measured(results):
    growth = [
        {"who": "torch", "varies": "batch size", "value": value, "seconds": seconds}
        for value, seconds in ((16, 6.0), (256, 2.0), (4096, 1.0))
    ]
    machine = results["machine"] | {"processor": "AMD EPYC(TM) 9B14", "cores": 3}
    texts = report.texts({"growth": growth, "machine": machine, "rounds": 7})
    assert "AMD EPYC 9B14, 3 cores" in texts["machine"]
    assert "rounds: 7." in texts["machine"]
    assert "16 takes 3.0 (PyTorch) times as long" in texts["batch"]
    assert "that 2.0 (PyTorch) times as long" in texts["batch"]


def test_a_table_without_figures_says_so(results):
    bare = results | {"medians": {"torch": {}}, "samples": {"torch": {}}}
    tables = report.tables(bare)
    assert set(tables.values()) == {"*Not measured yet: run `make bench`.*"}


def test_every_framework_has_its_cells():
    """And in each the parts that are the same everywhere by name."""
    for framework in FRAMEWORKS.values():
        parts = cells.parts(framework.module)
        assert parts.keys() >= {"imports", "model", "layers", "peer", "built-in relu"}
        assert "net" in parts["model"]


def test_the_page_shows_the_code_that_was_measured():
    """The networks that print and count, as they stand in the cells."""
    page = report.PAGE.read_text("utf-8")
    shown = page[page.index("### What It Does to Your Code") :]
    for framework in FRAMEWORKS.values():
        measured = cells.parts(framework.module).get("stateful", "")
        assert measured.split("\n\n")[0] in shown


def test_a_target_may_depend_on_the_processor(monkeypatch):
    parts = {"targets": '{"epoch": {"AMD": 6, "Intel": 8}, "epoch_layers": 2}'}
    monkeypatch.setattr(cells, "parts", lambda module: parts)
    assert cells.targets("x", "AMD EPYC 9B14") == {"epoch": 6, "epoch_layers": 2}
    assert cells.targets("x", "Intel(R) Xeon(R)") == {"epoch": 8, "epoch_layers": 2}
    assert cells.targets("x", "Apple M4") == {"epoch_layers": 2}


def test_every_curve_of_the_picture_is_drawn(results, tmp_path, monkeypatch):
    """Also where there are more of them than colors."""
    monkeypatch.setattr(report.plotting, "COLORS", ("#0072B2", "#D55E00"))
    report.draw(results, tmp_path / "new.svg")
    drawn = (tmp_path / "new.svg").read_text("utf-8")
    names = [each.title for each in FRAMEWORKS.values()]
    for name in (*names, "NumPy by hand", "matrix products alone"):
        assert f"<!-- {name} -->" in drawn


def test_the_summary_gives_ratios_and_targets():
    own = {"epoch": 0.5, "train": 0.4, "iterate": 0.1, "load_first": 0.5, "read": 0.2}
    results = {
        "machine": {"processor": "Intel", "cores": 2, "system": "S", "python": "3"},
        "rounds": 5,
        "medians": {
            "torch": {
                "d2l": {"epoch": 4.0, "memory": 2e9},
                "d2lutils": own | {"memory": 1e9},
                "numpy": {"products": 0.1},
                "peer": {"plain": 0.4, "own_loader": 0.2},
            },
            "tensorflow": {"d2l": {"epoch": 0.6}, "d2lutils": own},
        },
        "samples": {
            "torch": {
                # Each round at another speed of the machine: 8, 10 and 6 times.
                "d2l": {"epoch": [4.0, 9.0, 1.2]},
                "d2lutils": {"epoch": [0.5, 0.9, 0.2]},
                "pairs": {
                    # 2, 2 and 1 times.
                    "d2lutils": [0.4, 0.8, 0.2],
                    "built_in_relu": [0.3, 0.6, 0.2],
                    "numpy_avx2": [0.2, 0.4, 0.2],
                },
            },
            "tensorflow": {"d2l": {"epoch": [0.6]}, "d2lutils": {"epoch": [0.5]}},
        },
    }
    text = report.summary(results)
    rows = {line[:48].strip(): line[48:].split() for line in text.splitlines()}
    assert rows["original / `d2lutils`, from scratch"] == ["8.0", "1.2"]
    assert rows["peak memory, original, GB"] == ["2.00", "–"]
    assert rows["first loading of the data beyond reading, s"] == ["0.30", "0.30"]
    assert rows["NumPy told of AVX2"] == ["2.00", "–"]
    assert rows["NumPy told of AVX2; built-in ReLU"] == ["1.50", "–"]
    assert "PyTorch, epoch: 8.00, target 8: met" in text
    assert "TensorFlow, epoch: 1.20, target 1.4: MISSED" in text


def test_figures_are_found_among_other_words():
    printed = f'epoch 1\n{MARK}{{"a": 1.5}}\nnoise {MARK}\n{MARK}{{"b": 2}}\n'
    assert figures_in(printed) == {"a": 1.5, "b": 2}
