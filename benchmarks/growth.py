"""How the cost of an epoch grows with batch size, hidden width and examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import cells
from benchmarks.kernels import Kernel

# One is varied while the others stay at the section's settings.
BATCH_SIZES = (16, 64, 256, 1024, 4096)
WIDTHS = (64, 256, 1024, 4096)
EXAMPLES = (960, 3840, 15360, 60000)

# Batch sizes and widths are measured on a part of the examples, and scaled up.
PART = 8192
ALL = 60000


def points(quick: bool) -> list[tuple[str, int, int, int]]:
    """Return (what varies, batch size, width, number of examples) per point."""
    step = 2 if quick else 1
    return [
        *(("batch size", size, 256, PART) for size in BATCH_SIZES[::step]),
        *(("hidden width", 256, width, PART) for width in WIDTHS[::step]),
        *(("examples", 256, 256, n) for n in EXAMPLES[::step]),
    ]


def measure(start: Callable[..., Kernel], quick: bool, hint: dict[str, str]) -> list:
    """Measure all points in all frameworks and NumPy, framework by framework.

    Args:
        start: Starts a kernel with this project.
        quick: Whether to measure fewer points.
        hint: Environment for NumPy.

    Returns:
        One dictionary per point: ``who``, ``varies``, ``value``, ``seconds`` per
        epoch (of 60,000 examples, unless those are what varies).
    """
    curves: list[dict[str, Any]] = []
    for framework in ("mxnet", "torch", "tensorflow", "numpy"):
        by_hand = framework == "numpy"
        kernel = start(**hint) if by_hand else start()
        if by_hand:
            kernel.run(cells.NUMPY)
        else:
            imports = cells.IMPORTS[framework].format(library="d2lutils")
            kernel.run(imports + cells.LOAD)
        kernel.run("whole = train_iter")
        for varies, batch_size, width, n in points(quick):
            kernel.run(cells.GROWTH_PART.format(batch_size=batch_size, n=n))
            if by_hand:
                kernel.run(cells.NUMPY_MODEL.format(width=width))
                figures = kernel.run(cells.GROWTH_NUMPY)
            else:
                model = cells.MODEL[framework].format(width=width)
                kernel.run(model + cells.EPOCH[framework])
                figures = kernel.run(cells.GROWTH_ROUND)
            scale = 1 if varies == "examples" else ALL / n
            value = {"batch size": batch_size, "hidden width": width, "examples": n}
            for who, seconds in figures.items():
                curves.append(
                    {
                        "who": framework if who == "train" else who,
                        "varies": varies,
                        "value": value[varies],
                        "seconds": seconds * scale,
                    }
                )
        kernel.close()
    return curves
