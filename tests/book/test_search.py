"""Tests that the hyperparameter search loses no trials, repeats none, and resumes."""

from __future__ import annotations

import functools
import itertools
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

import optuna
import pytest
from distributed import Client, Worker
from optuna.trial import TrialState

import searching
from booktools import FRAMEWORKS, missing_modules
from searching import (
    TRIALS,
    WORKER,
    Objective,
    after_telling,
    chapter,
    count,
    die,
    open_study,
    search,
)
from waiting import eventually

HELPER = Path(searching.__file__)
PATH = os.pathsep.join(map(str, (HELPER.parents[2], HELPER.parent)))
SPACE = chapter(None)["space"]


def told(study) -> list[tuple]:
    """Return parameters and values of a study's finished trials, sorted."""
    done = study.get_trials(states=[TrialState.COMPLETE])
    return sorted(((trial.params, trial.value) for trial in done), key=str)


def start(*arguments: str | Path, **options) -> subprocess.Popen:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = os.environ | {"PYTHONPATH": PATH}
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, env=environment, text=True, **(pipes | options))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """One worker, in a thread."""
    with Client(n_workers=1, processes=False, **WORKER) as client:
        yield client


@pytest.fixture(scope="module")
def undisturbed(client, tmp_path_factory) -> list[tuple]:
    """Return the trials of a search with one worker."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = open_study(folder)
    search(study, Objective(folder), client)
    assert len(told(study)) == TRIALS
    return told(study)


def test_the_result_does_not_depend_on_workers_or_their_deaths(undisturbed, tmp_path):
    # Both die in their first trial, so none is left for a while.
    study = open_study(tmp_path)
    with Client(n_workers=2, **WORKER) as client:
        search(study, Objective(tmp_path, {1: die, 2: die}), client)
    assert told(study) == undisturbed
    assert count(tmp_path, "start") >= TRIALS + 2
    assert count(tmp_path, "end") == TRIALS


interrupted = threading.Event()


def wait_for_the_interrupt() -> None:
    interrupted.wait(60)


def interrupt() -> None:
    raise KeyboardInterrupt


def left_to_do(dask_worker: Worker) -> list[str]:
    """Return which tasks a worker still has; Dask passes the worker."""
    tasks = dask_worker.state.tasks.items()
    return [name for name, task in tasks if task.state != "cancelled"]


def test_an_interrupted_search_leaves_no_trials_to_the_workers_and_resumes(
    undisturbed, client, tmp_path
):
    study = open_study(tmp_path)
    after_telling(study, 5, interrupt)
    with pytest.raises(KeyboardInterrupt) as held:  # as a notebook holds the futures
        search(study, Objective(tmp_path, {6: wait_for_the_interrupt}), client)
    tasks = lambda dask_scheduler: len(dask_scheduler.tasks)  # noqa: E731
    assert eventually(
        lambda: (
            not client.run_on_scheduler(tasks)
            and not any(client.run(left_to_do).values())
        )
    )
    interrupted.set()
    client.submit(int, pure=False).result()  # after all that it still has
    started = count(tmp_path, "start")
    assert started <= 6, held
    study = open_study(tmp_path)
    assert len(told(study)) == 5
    search(study, Objective(tmp_path), client)
    assert told(study) == undisturbed
    assert count(tmp_path, "start") == started + TRIALS - 5


def test_a_killed_search_resumes(undisturbed, client, tmp_path):
    with start(HELPER, tmp_path) as process:
        process.communicate(timeout=300)
    started = count(tmp_path, "start")
    study = open_study(tmp_path)
    assert len(told(study)) == 5
    search(study, Objective(tmp_path), client)
    assert told(study) == undisturbed
    assert count(tmp_path, "start") == started + TRIALS - 5


def test_a_journal_cut_anywhere_can_be_opened(tmp_path, capsys):
    journal = tmp_path / "journal"
    study = open_study(tmp_path)
    for _ in range(2):
        study.tell(study.ask(SPACE), 0.5)
    whole = b""
    for record in journal.read_bytes().splitlines(keepends=True):
        for length in (0, 1, len(record) // 2, len(record) - 1):
            journal.write_bytes(whole + record[:length])
            assert len(told(open_study(tmp_path))) == whole.count(b'"values":[0.5]')
            cut = f"dropped a record that was cut short: {record[:length].decode()}\n"
            assert capsys.readouterr().out == (cut if length else "")
        whole += record


def test_a_record_cut_short_by_another_process_is_never_extended(tmp_path, capsys):
    study = open_study(tmp_path)
    trial = study.ask(SPACE)
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"op_code":6,"tri')
    study.tell(trial, 0.5)
    assert [value for _, value in told(open_study(tmp_path))] == [0.5]
    assert capsys.readouterr().out.count('cut short: {"op_code":6,"tri\n') == 1


# If a round's last proposal is lost, no trial of the round has a result.
@pytest.mark.parametrize(("record", "lost"), [(b"values", 1), (b"param_name", 4)])
def test_a_search_resumes_from_a_cut_journal_with_the_same_result(
    record, lost, undisturbed, client, tmp_path
):
    search(open_study(tmp_path), Objective(tmp_path), client, num_trials=8)
    journal = tmp_path / "journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: whole.rindex(record)])
    study = open_study(tmp_path)
    search(study, Objective(tmp_path), client)
    assert told(study) == undisturbed
    assert count(tmp_path, "start") == TRIALS + lost


def test_the_notebook_runs_once_as_a_script(tmp_path):
    """Even if workers are processes, which import their parent's script."""
    code = "\n".join(searching.cells("pytorch", "globals()", "client.close()"))
    for long, short in (
        ("num_examples=2560", "num_examples=64"),
        ("space, 8, client", "space, 2, client"),
        ("_per_worker=1, processes=False", "_per_worker=1, processes=True"),
    ):
        assert code.count(long) == 1
        code = code.replace(long, short)
    script = tmp_path / "search.py"
    script.write_text(code)
    with start(script) as process:
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert said.count("  2 trials, best") == 1
    assert "Traceback" not in errors


# Its only worker is a thread, so if a trial kills the process, the scheduler dies.
CLUSTER = """
from distributed import LocalCluster
from searching import WORKER
cluster = LocalCluster(n_workers=1, processes=False, protocol="tcp", **WORKER)
print(cluster.scheduler_address, flush=True)
input()
"""


@pytest.mark.parametrize("telling", [True, False])
def test_a_search_resumes_after_the_scheduler_is_killed(
    telling, undisturbed, client, tmp_path
):
    study = open_study(tmp_path)
    objective = Objective(tmp_path, {} if telling else {6: die})
    with (
        start("-c", CLUSTER, stderr=subprocess.DEVNULL) as process,
        Client(process.stdout.readline().strip(), timeout=60) as other,
    ):
        other._timeout = 0.3  # don't look for a dead scheduler for a minute

        def kill() -> None:
            process.kill()
            eventually(lambda: other.status == "closed")

        if telling:
            after_telling(study, 5, kill)
        with pytest.raises(ConnectionError, match="the scheduler is gone"):
            search(study, objective, other)
        other._timeout = 60  # to close
    assert 4 <= len(told(study)) < TRIALS
    study = open_study(tmp_path)
    search(study, Objective(tmp_path), client)
    assert told(study) == undisturbed


def test_failed_and_diverged_trials_are_recorded_and_the_search_continues(
    client, tmp_path, capsys
):
    def objective(settings):
        if settings["depth"] == 1:
            raise MemoryError("too large")
        return math.nan if settings["depth"] == 2 else settings["lr"]

    study = open_study(tmp_path)
    search(study, objective, client)
    for trial in study.trials:
        failed = trial.params["depth"] < 3
        assert trial.state == (TrialState.FAIL if failed else TrialState.COMPLETE)
    said = capsys.readouterr().out
    depths = [trial.params["depth"] for trial in study.trials]
    assert said.count("failed: too large") == depths.count(1) > 0
    assert said.count("failed: the loss is not finite") == depths.count(2) > 0
    assert len(depths) == TRIALS


def test_a_journal_of_another_study_is_refused(client, tmp_path):
    study = open_study(tmp_path, "test")
    search(study, Objective(tmp_path), client, num_trials=1)
    other = SPACE | {"width": SPACE["depth"]}
    with pytest.raises(ValueError, match="'test' searches another space"):
        search(study, Objective(tmp_path), client, space=other)


@pytest.fixture
def database() -> Iterator[str]:
    """Return the address of a new database in PostgreSQL."""
    pytest.importorskip("psycopg")
    folders = os.pathsep.join(glob("/usr/lib/postgresql/*/bin"))
    initdb = shutil.which("initdb") or shutil.which("initdb", path=folders)
    if initdb is None or os.name == "nt":
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as data:
        user = {}
        if os.getuid() == 0:  # as whom it doesn't run
            shutil.chown(data, "postgres", "postgres")
            user = {"user": "postgres", "group": "postgres", "extra_groups": []}

        def run(program: str, *options: str) -> None:
            command = [Path(initdb).with_name(program), "-D", data, *options]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(command, check=True, cwd=data, **quiet, **user)

        run("initdb", "--username=reader", "--auth=trust", "--no-sync")
        run("pg_ctl", "start", "-o", f"-F -h '' -k {data}")  # no port, only a socket
        try:
            yield f"postgresql+psycopg://reader@/postgres?host={data}"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")


def test_several_people_can_share_a_study_in_postgresql(database, client, tmp_path):
    options = {"study_name": "mlp", "storage": database, "direction": "maximize"}
    shared = functools.partial(optuna.create_study, load_if_exists=True, **options)

    def one(name: str) -> None:
        search(shared(), Objective(tmp_path), client, name=name, num_trials=8)

    shared()  # makes the tables
    with ThreadPoolExecutor() as people:
        list(people.map(one, "AB"))
    owners = [trial.user_attrs["search"] for trial in shared().trials]
    assert owners.count("A") == owners.count("B") == 8
    assert len(told(shared())) == len(owners) == count(tmp_path, "end")


def accuracies(framework: str, dropout: float, num_epochs: int, **options) -> list:
    names = ("lr", "width", "depth", "batch_size", "weight_decay", "scale", "dropout")
    config = dict(zip(names, (0.1, 32, 2, 64, 1e-3, 1.4, dropout), strict=True))
    epochs = chapter(framework)["train"](config, **options)
    return list(itertools.islice(epochs, num_epochs))


@functools.cache
def without_dropout(framework: str) -> list:
    return accuracies(framework, 0.0, 2)


@pytest.fixture
def _32_bits_again() -> Iterator[None]:
    """Undo what the page's ``train`` switches to 64 bits.

    Keras remembers the number of bits when it makes the first layer of a thread.
    """
    use_bits(64)
    yield
    use_bits(32)


def use_bits(bits: int) -> None:
    if jax := sys.modules.get("jax"):
        jax.config.update("jax_enable_x64", bits == 64)
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.keras.config.set_floatx(f"float{bits}")
        tensorflow.keras.config.set_dtype_policy(f"float{bits}")


@pytest.mark.usefixtures("_32_bits_again")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_configuration_always_gets_the_same_accuracies(framework):
    """They don't depend on the thread, or on what the worker trained before."""
    installed = [each for each in FRAMEWORKS if not missing_modules(each)]
    if framework not in installed:
        pytest.skip(f"not installed: {', '.join(missing_modules(framework))}")
    first = accuracies(framework, 0.3, 1, num_examples=640)
    assert without_dropout(framework) == without_dropout(installed[0])
    assert without_dropout(framework)[-1] > 0.5
    with ThreadPoolExecutor(1) as worker:
        again = worker.submit(accuracies, framework, 0.3, 1, num_examples=640).result()
    assert again == first
