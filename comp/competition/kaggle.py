"""Kaggle's own command-line client: where it is, how to run it, and what its output means."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from comp.base.errors import CompError, SubmissionError

UPLOADED = "Successfully submitted"  # how Kaggle's reply to a submission begins; the client prints the reply
UPLOAD_FAILED = "Could not submit to competition"  # printed by the client, with return code 0
PROGRESS = b"B/s]"  # ends every state of the client's progress bar


def client_program() -> Path:
    """The `kaggle` program of this Python's environment, else the one on PATH.

    Raises:
        CompError: it is not installed.
    """
    own = Path(sys.executable).parent / "kaggle"
    found = own if own.is_file() else shutil.which("kaggle")
    if found is None:
        raise CompError("the kaggle program is not installed", "make setup")
    return Path(found)


def run_with_progress(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep its output. On a terminal its progress bar is shown as it moves."""
    output = bytearray()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(1 << 16):
            output += chunk
            if PROGRESS in chunk and sys.stderr.isatty():
                sys.stderr.write(chunk.decode(errors="replace"))
                sys.stderr.flush()
    return subprocess.CompletedProcess(command, process.returncode, output.decode(errors="replace"), "")


def as_typed(program: Path) -> str:
    """How to type `program` here: its name if PATH finds it, else its path."""
    if shutil.which(program.name) == str(program):
        return program.name
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)


def credentials_hint(text: str) -> str:
    """How to get credentials, if the client's output says that there are none or that Kaggle refused them; else empty."""
    if "Authentication required" not in text:
        return ""
    token = "save a token from https://www.kaggle.com/settings/api as ~/.kaggle/access_token"
    return f"type `{as_typed(client_program())} auth login`, or {token}, then try again"


def failure_reason(ended: subprocess.CompletedProcess[str]) -> str:
    """What the client printed, on one line and without its progress bars."""
    lines = [line.strip() for text in (ended.stdout, ended.stderr) for line in text.replace("\r", "\n").splitlines()]
    said = "; ".join(line for line in lines if line and PROGRESS.decode() not in line)
    return said[-300:] or f"return code {ended.returncode}, no output"


def submissions_page(slug: str) -> str:
    return f"https://www.kaggle.com/competitions/{slug}/submissions"


def check_submitted(ended: subprocess.CompletedProcess[str], path: Path, page: str) -> None:
    """Raise SubmissionError unless the client says that Kaggle took the submission; its return code can be 0 after a failure."""
    text = ended.stdout + ended.stderr
    if hint := credentials_hint(text):
        raise SubmissionError(f"Kaggle does not know who submits {path}", hint)
    if ended.returncode == 0 and UPLOADED in ended.stdout:
        return
    why = failure_reason(ended)
    if UPLOAD_FAILED in text:
        raise SubmissionError(f"{path} was not submitted: the upload failed ({why})", "check the network, then type the command again")
    if ended.returncode != 0:
        raise SubmissionError(f"{path} was not submitted ({why})", f"see the rules and limits at {page}, or check the network")
    raise SubmissionError(f"the client did not say that {path} was submitted ({why})", f"look at {page} before trying again")
