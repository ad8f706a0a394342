"""Tables of what was measured, with the ratios and what they should be."""

from __future__ import annotations

from statistics import median
from typing import Any

FRAMEWORKS = {"mxnet": "MXNet", "torch": "PyTorch", "tensorflow": "TensorFlow"}

# How many times as fast as the original this project is meant to be.
TARGETS = {
    "epoch": {"mxnet": 3.5, "torch": 8.0, "tensorflow": 2.2},
    "iterate": {"mxnet": 15.0, "torch": 25.0, "tensorflow": 1.0},
}

BESIDE_ORIGINAL = {
    "load_first": "load_data_fashion_mnist, first call, s",
    "load_later": "load_data_fashion_mnist, later call, s",
    "iterate": "iterate over one epoch, s",
    "train": "train one epoch, s",
    "evaluate": "evaluate, s",
    "draw": "draw the figure once, s",
    "epoch": "an epoch: train, evaluate, draw, s",
    "script": "the section as a script, s",
    "memory": "peak memory of it, MiB",
}

# PyTorch is meant to be nearly as fast as the network written by hand in NumPy, whose
# OpenBLAS may or may not know this processor.
TIMES_NUMPY = {"torch": 1.3}
BY_HAND = {
    "numpy_as_installed": "NumPy as installed",
    "numpy_avx2": "NumPy told of AVX2",
    "numpy_avx512": "NumPy told of AVX-512",
}

# a figure in units of another one
LIMITS = (
    ("train one epoch / plain step", ("d2lutils", "train"), ("peer", "plain")),
    ("train one epoch / products", ("d2lutils", "train"), ("numpy", "products")),
    ("iterate / own loader", ("d2lutils", "iterate"), ("peer", "own_loader")),
)

ALONE = (
    ("own loader over arrays, one epoch, s", "peer", "own_loader", None),
    ("plain step over batches in memory, s", "peer", "plain", None),
    ("NumPy by hand, one epoch, s", "numpy", "train", None),
    ("five matrix products alone, s", "numpy", "products", None),
    ("import of the framework, s", "d2lutils", "import_framework", None),
    ("import of d2lutils beyond it, s", "d2lutils", "import_beyond", 0.3),
    ("reading the four files, s", "d2lutils", "read", None),
    ("first load beyond reading, s", "d2lutils", "load_beyond", 0.4),
    ("later load, s", "d2lutils", "load_later", 0.05),
    ("share of drawing in a training", "d2lutils", "drawing_share", 0.02),
)


def tables(results: dict[str, Any]) -> str:
    """Return everything that was measured, as text."""
    machine = results["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}; medians of {results['rounds']} rounds",
    ]
    for framework, figures in results["medians"].items():
        name = FRAMEWORKS[framework]
        lines += [
            "",
            *_beside_original(framework, name, figures),
            "",
            *_alone(framework, figures),
            *_beside_numpy(framework, results["samples"][framework].get("pairs", {})),
        ]
    return "\n".join(lines)


def _beside_original(framework: str, name: str, figures: dict) -> list[str]:
    lines = [f"{name:44}{'original':>10}{'d2lutils':>10}{'ratio':>8}{'target':>8}"]
    original, own = figures.get("d2l", {}), figures["d2lutils"]
    for key, label in BESIDE_ORIGINAL.items():
        if key not in original or key not in own:
            continue
        a, b = original[key], own[key]
        if key == "memory":
            a, b = a / 2**20, b / 2**20
        target = TARGETS.get(key, {}).get(framework) or (1.0 if key == "memory" else "")
        lines.append(f"{label:44}{a:10.3f}{b:10.3f}{a / b:8.2f}{target:>8}")
    return lines


def _alone(framework: str, figures: dict) -> list[str]:
    own = figures["d2lutils"]
    if "load_first" in own:
        own = own | {"load_beyond": own["load_first"] - own["read"]}
        figures = figures | {"d2lutils": own}
    lines = []
    for label, who, key, most in ALONE:
        if key in figures.get(who, {}):
            target = "" if most is None else f"<= {most}"
            lines.append(f"{label:44}{'':10}{figures[who][key]:10.3f}{'':8}{target:>8}")
    for label, (who, key), (other, unit) in LIMITS:
        ratio = figures[who][key] / figures[other][unit]
        lines.append(f"{label:44}{'':20}{ratio:8.2f}")
    return lines


def _beside_numpy(framework: str, pairs: dict[str, list[float]]) -> list[str]:
    lines = []
    most = TIMES_NUMPY.get(framework)
    target = "" if most is None else f"<= {most}"
    for numpy, label in BY_HAND.items():
        for own, of in (("d2lutils", "train"), ("built_in_relu", "built-in ReLU")):
            if numpy in pairs:
                ratio = paired_ratio(pairs, own, numpy)
                name = f"{of} / {label}"
                lines.append(f"{name:44}{'':20}{ratio:8.2f}{target:>8}")
    return lines


def paired_ratio(pairs: dict[str, list[float]], own: str, other: str) -> float:
    """Return the median ratio of times that were measured right after one another."""
    return median(a / b for a, b in zip(pairs[own], pairs[other], strict=True))
