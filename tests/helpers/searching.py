"""Runs the search of chapters/search.md with a quick objective, as a reader's kernel.

``python searching.py STORAGE WORKERS LOG`` searches to its end and prints the best
settings. WORKERS is a number, or a scheduler's address. The objective writes a line to
LOG whenever it starts and ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from booktools.source.sections import read_section

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "chapters" / "search.md"
TRIALS = 12
DEFINITIONS = ("import ", "from ", "def ", "space", "NUM_EPOCHS")


def chapter(framework: str | None = None) -> dict[str, Any]:
    """Return what the cells of the chapter define; without a framework, if none."""
    section = read_section(PAGE.read_text("utf-8"), PAGE)
    names: dict[str, Any] = {"__name__": "chapter_search"}
    for cell in section.code_cells(framework or "pytorch"):
        of_all = set(cell.frameworks) == set(section.frameworks)
        if cell.source.startswith(DEFINITIONS) and (framework or of_all):
            exec(compile(cell.source, str(PAGE), "exec"), names)
    return names


def open_study(storage: str, name: str = "test") -> Any:
    """Open a study in a journal file, or in a database if that is an address."""
    names = chapter()
    backend: Any = storage
    if "://" not in storage:
        lock = names["JournalFileOpenLock"](storage)
        backend = names["JournalStorage"](
            names["JournalFileBackend"](storage, lock_obj=lock)
        )
    return names["optuna"].create_study(
        study_name=name, storage=backend, direction="maximize", load_if_exists=True
    )


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
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        self.note("end")
        return 1 - abs(settings["lr"] - 0.1) - settings["dropout"]


def main(storage: str, workers: str, log: str) -> None:
    """Search to the end."""
    names = chapter()
    where = {"n_workers": int(workers)} if workers.isdecimal() else {"address": workers}
    if workers.isdecimal():
        where |= {"threads_per_worker": 1, "dashboard_address": ":0"}
    study = open_study(storage)
    with names["Client"](**where, timeout=10) as client:
        names["search"](
            study, Objective(Path(log), 0.2), names["space"], TRIALS, client
        )
    print("best", study.best_value, study.best_params)


if __name__ == "__main__":
    main(*sys.argv[1:])
