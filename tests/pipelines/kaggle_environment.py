"""A Python environment with some installed packages and what they depend on, nothing else, in which every connection is refused."""

import subprocess
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

REFUSE = """
import socket

def refuse(*arguments, **named):
    raise OSError("connections are refused here")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
"""


class Environment:
    """A virtual environment in `folder`, whose packages are links to those that are installed here."""

    def __init__(self, folder: Path, packages: Iterable[str]) -> None:
        venv.create(folder, symlinks=True)
        self.folder = folder
        (site,) = folder.glob("lib/python3*/site-packages")
        for name in with_dependencies(packages):
            for top in {file.parts[0] for file in distribution(name).files or ()} - {"..", "__pycache__"}:
                if not (site / top).exists():
                    (site / top).symlink_to(distribution(name).locate_file(top))
        (site / "sitecustomize.py").write_text(REFUSE)

    def run(self, *command: str, cwd: Path, shell: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command; `python` is that of the environment."""
        variables = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        if command[0] == "python":
            command = (str(self.folder / "bin/python"), *command[1:])
        typed = command[0] if shell else command
        return subprocess.run(typed, cwd=cwd, env=variables, text=True, capture_output=True, check=False, shell=shell)


def with_dependencies(packages: Iterable[str]) -> set[str]:
    """The names of distributions, and of all that they require here."""
    found, waiting = set(), list(packages)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        required = map(Requirement, distribution(name).requires or ())
        waiting += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found
