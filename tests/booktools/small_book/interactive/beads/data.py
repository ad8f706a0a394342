"""What the beads learned."""

from pathlib import Path

import numpy


def scripts() -> dict[str, str]:
    """Return the text of scripts by name."""
    with numpy.load(Path(__file__).with_name("second.npz")) as kept:
        return {"learned.js": f"const learned = {kept['learned'].tolist()};\n"}
