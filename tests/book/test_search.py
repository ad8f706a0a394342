"""Tests that the hyperparameter search loses no trials, repeats none, and resumes."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import optuna
import pytest
from distributed import Client, LocalCluster
from nbconvert import PythonExporter
from optuna.trial import TrialState

from booktools import FRAMEWORKS, missing_modules
from searching import KILL, TRIALS, Objective, chapter

SCRIPT = Path(__file__).parents[1] / "helpers" / "searching.py"
PATH = f"{SCRIPT.parents[2]}{os.pathsep}{SCRIPT.parent}"
NAMES = chapter(None)
open_study = NAMES["open_study"]

posix = pytest.mark.skipif(os.name == "nt", reason="it signals groups of processes")


@contextmanager
def workers(number: int, **options) -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=number, threads_per_worker=1, dashboard_address=":0", **options
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def search(study, objective: Callable, client: Client, **options) -> None:
    arguments = {"space": NAMES["space"], "num_trials": TRIALS} | options
    NAMES["search"](study, objective, client=client, **arguments)


def told(study) -> list[tuple]:
    """Return parameters and values of a study's finished trials, in order."""
    return [
        (trial.params, trial.value)
        for trial in study.get_trials(states=[TrialState.COMPLETE])
    ]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def lines(log: Path, word: str) -> int:
    return log.read_text().split().count(word) if log.exists() else 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[tuple]:
    """Run an undisturbed search with one worker, and return its trials."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = open_study(str(folder / "journal"))
    with workers(1) as client:
        search(study, Objective(folder / "log"), client)
    assert len(told(study)) == TRIALS
    return told(study)


@pytest.mark.parametrize("kills", [0, 2])
def test_the_result_does_not_depend_on_workers_or_their_deaths(
    kills, undisturbed, tmp_path
):
    # With kills, both workers die in their first trial, so none is left for a while.
    study = open_study(str(tmp_path / "journal"))
    with workers(2, silence_logs=50) as client:
        search(study, Objective(tmp_path / "log", kill=kills), client)
    assert told(study) == undisturbed
    assert lines(tmp_path / "log", "start") >= TRIALS + kills
    assert lines(tmp_path / "log", "end") == TRIALS


@posix
def test_a_stopped_search_resumes(undisturbed, tmp_path):
    journal, log = str(tmp_path / "journal"), tmp_path / "log"
    command = [sys.executable, str(SCRIPT), journal, "2", str(log)]
    environment = os.environ | {"PYTHONPATH": PATH}
    # Stop it in the second round, then kill it in the third.
    for number, trials in ((signal.SIGINT, 5), (KILL, 9)):
        kernel = subprocess.Popen(
            [*command, "1"],  # trials take a second, so we interrupt some
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Otherwise it ignores Ctrl-C if these tests run in the background.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

        # Stop it during a trial. If a process is killed while it writes to the journal,
        # the journal stays locked for half a minute.
        def amid(trials: int = trials) -> bool:
            ended = lines(log, "end") >= trials
            return ended and time.time() - log.stat().st_mtime > 0.3

        wait_for(amid)
        if number == KILL:
            os.killpg(kernel.pid, number)  # with its workers
        else:
            kernel.send_signal(number)
        _, said = kernel.communicate(timeout=60)
        assert kernel.returncode != 0
        assert number == KILL or said.rstrip().endswith("KeyboardInterrupt")
        before = told(open_study(journal))
        assert before
        assert before == [each for each in undisturbed if each in before]

    again = subprocess.run(
        [*command, "0"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert again.returncode == 0, again.stderr
    study = open_study(journal)
    assert sorted(told(study), key=str) == sorted(undisturbed, key=str)
    assert f"best {study.best_value} " in again.stdout
    # Only trials that were interrupted ran again.
    assert lines(log, "start") <= TRIALS + 4


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> tuple[bytes, list[int]]:
    """Return a journal with three finished trials, and its length after each."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    study, lengths = open_study(str(path)), []
    for number in range(3):
        study.tell(study.ask(NAMES["space"]), number / 7)
        lengths.append(path.stat().st_size)
    return path.read_bytes(), lengths


def test_a_journal_cut_at_any_byte_can_be_opened(journal, tmp_path):
    whole, lengths = journal
    path = tmp_path / "journal"
    last = len(b"".join(whole.splitlines(keepends=True)[-3:]))
    for end in (*range(0, len(whole), 61), *range(len(whole) - last, len(whole) + 1)):
        path.write_bytes(whole[:end])
        with contextlib.redirect_stdout(io.StringIO()) as said:
            found = open_study(str(path)).trials
        finished = sum(length <= end for length in lengths)
        values = [trial.value for trial in found if trial.state.is_finished()]
        assert values == [number / 7 for number in range(finished)], end
        cut = whole[whole.rfind(b"\n", 0, end) + 1 : end].decode()
        assert said.getvalue() == (
            f"dropped a record that was cut short: {cut}\n" if cut else ""
        )


def test_a_record_cut_short_by_another_process_is_never_extended(tmp_path, capsys):
    path = tmp_path / "journal"
    study = open_study(str(path))
    trial = study.ask(NAMES["space"])
    with path.open("ab") as file:
        file.write(b'{"op_code":6,"tri')
    study.tell(trial, 0.5)
    assert [trial.value for trial in open_study(str(path)).trials] == [0.5]
    assert capsys.readouterr().out.count('cut short: {"op_code":6,"tri\n') == 1


def test_a_search_resumes_from_a_cut_journal_with_the_same_result(
    undisturbed, tmp_path
):
    path, log = tmp_path / "journal", tmp_path / "log"
    with workers(1) as client:
        search(open_study(str(path)), Objective(log), client)
        whole = path.read_bytes()
        # Cut it in the last result, or while the last trial is asked for. Then no trial
        # of its round has a result.
        for end, lost in (len(whole) - 9, 1), (whole.rindex(b'"param_name"'), 4):
            path.write_bytes(whole[:end])
            before = lines(log, "start")
            search(open_study(str(path)), Objective(log), client)
            assert sorted(told(open_study(str(path))), key=str) == sorted(
                undisturbed, key=str
            )
            assert lines(log, "start") == before + lost


def test_the_notebook_runs_once_as_a_script(tmp_path):
    """Even if workers are processes, which import their parent's script."""
    path = SCRIPT.parents[2] / "notebooks" / "pytorch" / "search.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        cell for cell in notebook.cells if "claim" not in cell.metadata.get("tags", [])
    ]
    source, _ = PythonExporter().from_notebook_node(notebook)
    for long, short in (
        ("num_examples=2560", "num_examples=64"),
        ("range(8)", "range(2)"),
        ("space, 8, client", "space, 4, client"),
        ("space, 12, client", "space, 5, client"),
        ("_per_worker=1, processes=False", "_per_worker=1, processes=True"),
    ):
        assert source.count(long) == 1
        source = source.replace(long, short)
    script = tmp_path / "search.py"
    script.write_text(source)
    run = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("epochs in all") == 1
    assert run.stdout.count("trials, best") == 2
    assert "Traceback" not in run.stderr


def start(*command: str, log: Path) -> subprocess.Popen:
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
            stdout=file,
            stderr=file,
            env=os.environ | {"PYTHONPATH": PATH},
            start_new_session=True,
        )


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def separate_cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """Start a scheduler and a worker as separate programs, as on a cluster."""
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rsplit(":", 1)[1]
    scheduler = start(
        "scheduler", "--host=127.0.0.1", f"--port={port}", "--no-dashboard",
        log=folder / "scheduler.log",
    )  # fmt: skip
    worker = start(
        "worker", address, "--nthreads=1", "--no-dashboard",
        f"--local-directory={folder}", "--death-timeout=60",
        log=folder / "worker.log",
    )  # fmt: skip
    try:
        wait_for(lambda: answers(int(port)))
        yield address, scheduler
    finally:
        for process in (worker, scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, KILL)
            process.wait()


@posix
def test_a_search_resumes_after_the_scheduler_is_killed(undisturbed, tmp_path):
    study, log = open_study(str(tmp_path / "journal")), tmp_path / "log"
    objective = Objective(log, 0.2)

    def kill_it(scheduler):
        wait_for(lambda: lines(log, "end") >= 5)
        scheduler.kill()

    with separate_cluster(tmp_path) as (address, scheduler):
        killer = threading.Thread(target=kill_it, args=[scheduler])
        killer.start()
        with (
            pytest.raises(ConnectionError, match="the scheduler is gone"),
            Client(address, timeout=5) as client,
        ):
            search(study, objective, client)
        killer.join()
    assert 4 <= len(told(study)) < TRIALS
    with (
        separate_cluster(tmp_path) as (address, scheduler),
        Client(address, timeout=5) as client,
    ):
        search(open_study(str(tmp_path / "journal")), objective, client)
        assert sorted(told(study), key=str) == sorted(undisturbed, key=str)
        tell = study.tell

        def slowly(*result, **state) -> None:
            scheduler.kill()
            wait_for(lambda: client.status == "closed")
            tell(*result, **state)

        study.tell = slowly
        with pytest.raises(ConnectionError, match="the scheduler is gone"):
            search(study, objective, client, num_trials=TRIALS + 4)


def test_failed_and_diverged_trials_are_recorded_and_the_search_continues(
    tmp_path, capsys
):
    study = open_study(str(tmp_path / "journal"))

    def objective(settings):
        if settings["depth"] == 1:
            raise MemoryError("too large")
        return math.nan if settings["depth"] == 2 else settings["lr"]

    with workers(2, silence_logs=60) as client:
        search(study, objective, client)
    for trial in study.trials:
        failed = trial.params["depth"] < 3
        assert trial.state == (TrialState.FAIL if failed else TrialState.COMPLETE)
    said = capsys.readouterr().out
    depths = [trial.params["depth"] for trial in study.trials]
    assert said.count("failed: too large") == depths.count(1) > 0
    assert said.count("failed: the loss is not finite") == depths.count(2) > 0
    assert len(study.trials) == TRIALS


def test_a_journal_of_another_study_is_refused(tmp_path):
    study = open_study(str(tmp_path / "journal"), "test")
    with workers(1) as client:
        search(study, Objective(tmp_path / "log"), client, num_trials=2)
        other = NAMES["space"] | {"width": NAMES["IntDistribution"](1, 2)}
        with pytest.raises(ValueError, match="'test' searches another space"):
            search(study, Objective(tmp_path / "log"), client, space=other)


@posix
def test_several_people_can_share_a_study_in_postgresql(tmp_path):
    found = shutil.which("postgres") or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")))), None
    )
    if found is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    folder = Path(found).parent
    data, port = tmp_path / "data", free_port()
    as_user = {}
    if os.getuid() == 0:  # as whom it does not run
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        for each in (tmp_path, *tmp_path.parents):
            if each != Path("/tmp") and Path("/tmp") in each.parents:
                each.chmod(0o755)
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
    subprocess.run(
        [folder / "initdb", "-D", data, "-U", "reader", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        cwd="/",
        **as_user,
    )
    server = subprocess.Popen(
        [
            folder / "postgres", "-D", data, "-p", str(port), "-F",
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}",
        ],
        stderr=subprocess.DEVNULL,
        cwd="/",
        **as_user,
    )  # fmt: skip
    try:
        wait_for(lambda: answers(port))
        address = f"postgresql+psycopg://reader@127.0.0.1:{port}/postgres"
        shared = functools.partial(
            optuna.create_study,
            study_name="mlp",
            storage=address,
            direction="maximize",
            load_if_exists=True,
        )
        with workers(2) as client:

            def one(name: str) -> None:
                search(
                    shared(),
                    Objective(tmp_path / "log", 0.05),
                    client,
                    name=name,
                )

            one("first of all")  # makes the tables
            people = [threading.Thread(target=one, args=[name]) for name in "AB"]
            for each in people:
                each.start()
            for each in people:
                each.join()
        study = shared()
        assert len(told(study)) == 3 * TRIALS
        assert lines(tmp_path / "log", "end") == 3 * TRIALS
        owners = [trial.user_attrs["search"] for trial in study.trials]
        assert owners.count("A") == owners.count("B") == TRIALS
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


ACCURACIES = """
import itertools, json, sys
from concurrent.futures import ThreadPoolExecutor
from searching import chapter
train = chapter(sys.argv[1])["train"]
config = dict(lr=0.1, width=32, depth=2, batch_size=64, weight_decay=1e-3, scale=1.4)
def accuracies(dropout, num_epochs=1, **options):
    epochs = train(config | {"dropout": dropout}, **options)
    return [*itertools.islice(epochs, num_epochs)]
again = [accuracies(0.3, num_examples=640)]
same = accuracies(0.0, num_epochs=2)
with ThreadPoolExecutor(1) as worker:
    again.append(worker.submit(accuracies, 0.3, num_examples=640).result())
print(json.dumps([same, again]))
"""


@functools.cache
def accuracies(framework: str) -> tuple[list[float], list[list[float]]]:
    """Return those of two epochs without dropout, and twice of one with dropout."""
    # Use another process, because the code switches the framework to 64 bits.
    run = subprocess.run(
        [sys.executable, "-c", ACCURACIES, framework],
        env=os.environ | {"PYTHONPATH": PATH, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_configuration_always_gets_the_same_accuracies(framework):
    """They don't depend on the thread, or on what the worker trained before."""
    if missing := missing_modules(framework):
        pytest.skip(f"not installed: {', '.join(missing)}")
    found, (first, again) = accuracies(framework)
    assert first == again
    assert found[-1] > 0.5
    others = [each for each in FRAMEWORKS if not missing_modules(each)]
    assert found == accuracies(others[0])[0]
