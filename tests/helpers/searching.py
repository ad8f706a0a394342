"""Runs the search of chapters/search.md with a quick objective, as a reader's kernel.

``python searching.py JOURNAL WORKERS LOG`` searches to its end and prints the best
settings. The objective writes a line to LOG whenever it starts and ends.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "chapters" / "search.md"
TRIALS = 12
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the second only


@functools.cache
def chapter(framework: str | None = "pytorch") -> dict[str, Any]:
    """Return what the cells of the chapter define, without its searches.

    Without a framework, it is what those define that all frameworks share.
    """
    from booktools.source.sections import read_section  # which workers do not need

    names: dict[str, Any] = {"__name__": "chapter_search"}
    section = read_section(PAGE.read_text("utf-8"), PAGE)
    for cell in section.code_cells(framework or "pytorch"):
        shared = set(cell.frameworks) == set(section.frameworks)
        starts = ("from ", "import ", "def ", "class ", "space", "NUM_")
        if cell.source.startswith(starts) and (framework or shared):
            exec(compile(cell.source, str(PAGE), "exec"), names)
    return names


class Objective:
    """Best at a learning rate of 0.1; can take long, and kill its worker once."""

    def __init__(self, log: Path, seconds: float = 0.0, kill: int = 0) -> None:
        self.log, self.seconds, self.kill = log, seconds, kill

    def note(self, word: str) -> int:
        """Add a line to the log, and return how many there are of this word."""
        with self.log.open("a") as file:
            file.write(f"{word}\n")
        return self.log.read_text().splitlines().count(word)

    def __call__(self, settings: dict[str, Any]) -> float:
        if self.note("start") <= self.kill:
            os.kill(os.getpid(), KILL)
        time.sleep(self.seconds)
        self.note("end")
        return 1 - abs(settings["lr"] - 0.1) - settings["dropout"]


def main(journal: str, workers: str, log: str, seconds: str) -> None:
    """Search to the end."""
    names = chapter(None)
    study = names["open_study"](journal)
    options = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with names["Client"](n_workers=int(workers), **options) as client:
        objective = Objective(Path(log), float(seconds))
        names["search"](study, objective, names["space"], TRIALS, client)
    print("best", study.best_value, study.best_params)


if __name__ == "__main__":
    main(*sys.argv[1:])
