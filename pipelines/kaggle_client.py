"""Where Kaggle's own command-line client is, and what its output means."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from comp.errors import CompError


def client() -> Path:
    """The `kaggle` program of this Python's environment, else the one on PATH.

    Raises:
        CompError: there is none.
    """
    beside = Path(sys.executable).parent / "kaggle"
    found = beside if beside.is_file() else shutil.which("kaggle")
    if found is None:
        raise CompError("the kaggle program is not installed", "make setup")
    return Path(found)


def as_typed(program: Path) -> str:
    """How a person types `program` here: its bare name where PATH finds it, else its path."""
    if shutil.which(program.name) == str(program):
        return program.name
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)


def missing_credentials(text: str) -> str:
    """How to get credentials, if the client's output says that it has none or that they were refused; else empty."""
    if "Authentication required" not in text:
        return ""
    token = "save a token from https://www.kaggle.com/settings/api as ~/.kaggle/access_token"
    return f"type `{as_typed(client())} auth login`, or {token}, then try again"


def reason(ended: subprocess.CompletedProcess[str]) -> str:
    """What the client said, on one line and without its progress bars."""
    lines = [line.strip() for text in (ended.stdout, ended.stderr) for line in text.replace("\r", "\n").splitlines()]
    said = "; ".join(line for line in lines if line and "B/s]" not in line)
    return said[-300:] or f"return code {ended.returncode}, no words"
