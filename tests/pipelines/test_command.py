"""How any command ends when the machine fails: one line and exit code 2. Mistakes of the program keep their traceback."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.command import run
from tests.tiny_competition import REPOSITORY


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number), "oof/x")


def deep() -> None:
    deep()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (raising(failure(errno.ENOSPC)), "error: oof/x cannot be read or written (No space left on device): free"),
        (raising(failure(errno.EFBIG)), "error: oof/x cannot be read or written (File too large): free"),
        (raising(OSError(errno.EIO, os.strerror(errno.EIO))), "error: a file cannot be read or written (Input/output error): correct"),
        (lambda: Path("missing").read_text() and None, "error: missing cannot be read or written (No such file or directory): correct"),
        (lambda: Path("folder").read_text() and None, "error: folder cannot be read or written (Is a directory): correct"),
        (lambda: Path("loop").read_text() and None, "error: loop cannot be read or written (Too many levels of symbolic links): correct"),
        (lambda: Path("file/x").read_text() and None, "error: file/x cannot be read or written (Not a directory): correct"),
        (lambda: Path("a" * 300).write_text("") and None, f"error: {'a' * 300} cannot be read or written (File name too long): correct"),
        (raising(MemoryError()), "error: memory ran out: "),
        (deep, "error: a file or an option is nested too deeply: "),
    ],
)  # fmt: skip
def test_what_the_machine_refuses_is_one_line_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: Callable[[], None], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SystemExit) as ended:
        run(command)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(line)


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), ValueError("x"), TypeError("x")])
def test_mistakes_of_the_program_are_not_hidden(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(raising(error))


TYPED = """
from comp.base.progress import say
from pipelines.command import run
run(lambda: [say(f"line {number}") for number in range(1000)] and None)
"""


@pytest.mark.parametrize(
    ("redirected", "code", "says"),
    [
        (">&-", 2, "error: the output of the command is closed: send it to a file, or to /dev/null"),
        ("2>&-", 2, ""),
        (">&- 2>&-", 2, ""),
        ("</dev/null", 0, ""),
        (">/dev/full", 2, "error: the output cannot be written (No space left on device): free some space, or send it elsewhere"),
        (">/dev/full 2>/dev/full", 2, ""),
        ("2>/dev/full", 0, ""),
        ("| true; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_closed_and_full_streams_end_in_one_line(tmp_path: Path, redirected: str, code: int, says: str) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} typed.py {redirected}"], cwd=tmp_path, text=True, capture_output=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    assert ended.stderr.strip() == says


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.6])
def test_ctrl_c_at_any_moment_prints_no_traceback(tmp_path: Path, seconds: float) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "pipelines.fold", "--model", "none", "--fold", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    files = re.findall(r'File "(.+?)"', err)
    ours = (REPOSITORY / "pipelines", REPOSITORY / "comp")
    assert not any(Path(file).is_relative_to(folder) for file in files for folder in ours), err
    if "Fatal Python error" in err or files:
        return  # Python itself was still starting; nothing of ours had been read
    assert "Traceback" not in out + err
    assert process.returncode in (-signal.SIGINT, 130, 2)
