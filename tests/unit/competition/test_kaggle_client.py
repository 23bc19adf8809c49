"""The client of Kaggle is run in UTF-8, and ends in time whatever it does."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from comp.base.errors import DataError, SubmissionError
from comp.competition.competition import Competition
from comp.competition.kaggle import check_downloaded, check_submitted
from comp.competition.kaggle_client import Ended, client_program, run_client
from tests.pipelines.kaggle_server import KaggleServer

COMPETITION = Competition(name="tiny", title="Tiny", slug="tiny-atlas", data="data", classes=("a", "b"))


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"


def test_streams_stay_apart_and_bytes_that_are_no_text_are_replaced() -> None:
    ended = run_client(python("import os; os.write(1, b'caf\\xc3\\xa9 \\xff'); os.write(2, b'oh'); os._exit(3)"), 60)
    assert (ended.code, ended.out, ended.err) == (3, "caf\u00e9 \ufffd", "oh")


def test_the_client_writes_utf8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}.items():
        monkeypatch.setenv(name, value)
    assert run_client(python("print('\\u00e9 \\ud800')"), 60).out == "\u00e9 ?\n"


def test_when_time_is_over_the_client_and_what_it_started_are_killed() -> None:
    child = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid); time.sleep(600)"
    before = time.monotonic()
    ended = run_client(python(child), 1.5)
    assert time.monotonic() - before < 10
    assert ended.code is None
    last = time.monotonic() + 5
    while is_alive(int(ended.out)) and time.monotonic() < last:
        time.sleep(0.01)
    assert not is_alive(int(ended.out))


def test_the_time_may_count_from_the_last_output() -> None:
    talking = "import time\nfor _ in range(8): print('.', end=''); time.sleep(0.25)"
    assert run_client(python(talking), 1, count_from_last_output=True).code == 0
    assert run_client(python(talking + "\ntime.sleep(600)"), 1, count_from_last_output=True).code is None


def test_a_client_that_was_killed_has_a_negative_code() -> None:
    assert run_client(python("import os; os.kill(os.getpid(), 9)"), 60).code == -signal.SIGKILL


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (Ended(None, "", "3%"), "(it printed nothing for too long and was stopped; 3%): check the network, then: make data COMP=tiny"),
        (
            Ended(1, "", "403 Client Error: Forbidden"),
            "accept the rules at https://www.kaggle.com/competitions/tiny-atlas/rules, then: make",
        ),
        (Ended(1, "", "404 Client Error: Not Found"), "check `slug: tiny-atlas` in configs/competitions/tiny.yaml"),
        (Ended(1, "Authentication required", ""), "(Kaggle does not know who asks): type `"),
        (Ended(0, "done", ""), "could not download tiny-atlas (done): check the network"),
    ],
)
def test_a_download_that_failed_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: Ended, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs/competitions").mkdir(parents=True)
    (tmp_path / "configs/competitions/tiny.yaml").touch()
    with pytest.raises(DataError) as caught:
        check_downloaded(ended, tmp_path / "tiny-atlas.zip", COMPETITION, "make data COMP=tiny")
    assert message in str(caught.value)


def test_a_server_that_never_answers_does_not_hold_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, forever, asked = tmp_path / "mine.csv", threading.Event(), threading.Event()
    path.write_text("Id,Predicted\na,0\n")

    def never(body: object) -> tuple[int, dict[str, object]]:
        asked.set()
        forever.wait(60)
        return 200, {}

    with KaggleServer() as server:
        server.routes["CreateSubmission"] = never
        for name, value in server.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        command = ["competitions", "submit", "-c", "tiny-atlas", f"--file={path}", "--message=x"]
        ended = run_client([str(client_program()), *command], 6)
        forever.set()
    assert asked.is_set()
    assert ended.code is None
    with pytest.raises(SubmissionError) as caught:
        check_submitted(ended, path, COMPETITION)
    assert f"it is unknown whether Kaggle took {path}: the client did not end in time and was stopped" in str(caught.value)
    assert "look at https://www.kaggle.com/competitions/tiny-atlas/submissions before trying again" in str(caught.value)
    assert "\n" not in str(caught.value)
