"""That the benchmark adds up, and that the book shows what was measured."""

from __future__ import annotations

import json
from statistics import median

import pytest

from benchmarks import publish, tables
from benchmarks.kernels import MARK, figures_in
from booktools.agree import drawings_agree


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(publish.RESULTS.read_text("utf-8"))


def test_the_page_shows_what_was_measured(results):
    page = publish.PAGE.read_text("utf-8")
    assert publish.with_tables(page, results) == page


def test_the_picture_shows_what_was_measured(results, tmp_path):
    publish.draw(results, tmp_path / "new.svg")
    stored = publish.PICTURE.read_text("utf-8")
    assert drawings_agree(stored, (tmp_path / "new.svg").read_text("utf-8"))
    assert "benchmarks/results.json" in stored


def test_medians_are_those_of_the_samples(results):
    for framework, parts in results["samples"].items():
        for who, figures in parts.items():
            for name, values in figures.items():
                assert results["medians"][framework][who][name] == median(values)


def test_a_table_of_the_page_must_have_its_place(results):
    with pytest.raises(ValueError, match="must have one '% table epoch', has 0"):
        publish.with_tables("no table here", results)


def test_the_table_gives_ratios_and_targets():
    own = {"epoch": 0.5, "train": 0.4, "iterate": 0.1, "load_first": 0.5, "read": 0.2}
    results = {
        "machine": {"processor": "P", "cores": 2, "system": "S", "python": "3"},
        "rounds": 5,
        "medians": {
            "torch": {
                "d2l": {"epoch": 4.0, "memory": 2 * 2**20},
                "d2lutils": own | {"memory": 2**20},
                "numpy": {"products": 0.1},
                "peer": {"plain": 0.4, "own_loader": 0.2},
            }
        },
        "samples": {
            "torch": {
                "pairs": {
                    # Each pair at another speed of the machine: 2, 2 and 1 times.
                    "d2lutils": [0.4, 0.8, 0.2],
                    "built_in_relu": [0.3, 0.6, 0.2],
                    "numpy_avx2": [0.2, 0.4, 0.2],
                }
            }
        },
    }
    rows = {
        line[:44].strip(): line[44:].split()
        for line in tables.tables(results).splitlines()
    }
    assert rows["an epoch: train, evaluate, draw, s"] == [
        "4.000",
        "0.500",
        "8.00",
        "8.0",
    ]
    assert rows["peak memory of it, MiB"] == ["2.000", "1.000", "2.00", "1.0"]
    assert rows["first load beyond reading, s"] == ["0.300", "<=", "0.4"]
    assert rows["train / NumPy told of AVX2"] == ["2.00", "<=", "1.3"]
    assert rows["built-in ReLU / NumPy told of AVX2"] == ["1.50", "<=", "1.3"]
    assert not any("as installed" in label for label in rows)  # not measured
    assert rows["train one epoch / products"] == ["4.00"]


def test_figures_are_found_among_other_words():
    printed = f'epoch 1\n{MARK}{{"a": 1.5}}\nnoise {MARK}\n{MARK}{{"b": 2}}\n'
    assert figures_in(printed) == {"a": 1.5, "b": 2}
