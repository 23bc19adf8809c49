"""What runs on a node of a Ray cluster: it fetches what a fold needs, trains it in a process of its own, and sends its files back.

Ray takes this module and ray_copy to the node by value, so they use nothing else of the library. The fold's process starts with the number
of threads that its framework reads once, and with the library that the command uses. It ends with this one.

What it yields, as tuples that begin with

- "node": Ray's id of the node, and whether it works in a copy of the project's folder;
- "fetching": bytes that are here, and bytes that are needed;
- "line": what the fold's process printed;
- "file", "piece", "whole": a file that comes back begins, goes on, ends;
- "gone": a file that is no longer there;
- "ended": the exit code, the pickled error or nothing, the last lines of the error stream.
"""

import base64
import getpass
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from comp.training.engines.ray_copy import Files, Message, changes, fetch, found, sent

SECONDS = 0.5  # between looks at the files of a fold
TAIL = 20  # lines of the error stream
PROCESS = "comp.training.engines.fold_process"
ERROR = "\0"  # as in fold_process, which this module does not import


@dataclass(frozen=True)
class Task:
    """One fold for a node.

    Attributes:
        job: the fields of the fold job.
        environment: variables for its process.
        project, code: the folders of the project and of the library, as the command sees them.
        token: a file in the project's folder, by whose content `secret` a node knows that it sees that folder.
        ship: work in a copy even then.
        name: of the copy.
        texts: files that only copies have.
        shared, own: files that all folds need, and those of this fold.
        patterns: what matches the fold's own files; in this order they are looked at.
        added: what matches files that folds add for all.
        last: the file that makes the fold complete.
        hub: the folder that is the cache of timm's hub in copies with ImageNet weights.
    """

    job: Mapping[str, Any]
    environment: Mapping[str, str]
    project: str
    code: str
    token: str
    secret: str
    ship: bool
    name: str
    texts: Mapping[str, str]
    shared: Files
    own: Files
    patterns: Sequence[str]
    added: Sequence[str]
    last: str
    hub: str


def train(task: Task, source: Any) -> Iterator[Message]:
    """Train the fold, in the project's folder if this node sees it, else in a copy that all tasks of this node share.

    Args:
        source: an actor of class `Source`; None if every node sees the project's folder.
    """
    import ray

    node = ray.get_runtime_context().get_node_id()
    copied = task.ship or not _is_seen(task)
    yield "node", node, copied
    if not copied:
        yield from _run(task, Path(task.project), task.code, None)
        return
    folder = Path(tempfile.gettempdir(), f"hpa-toolkit-{getpass.getuser()}", f"{task.name}-{node[:8]}")
    yield from fetch(folder, task.texts, task.shared, task.own, task.patterns, source)
    yield from _run(task, folder, str(folder), found(folder, (*task.patterns, *task.added)))


def _is_seen(task: Task) -> bool:
    """Whether this node sees the project's folder, and the library's."""
    try:
        return Path(task.project, task.token).read_text() == task.secret and Path(task.code, "comp", "__init__.py").exists()
    except OSError:
        return False


def _run(task: Task, folder: Path, code: str, known: dict[str, Any] | None) -> Iterator[Message]:
    """Train the fold in a process of its own.

    Args:
        known: the files of a copy, from which those that change are sent back; None if it works in the project's folder.
    """
    patterns = (*task.patterns, *task.added)
    environment = {**os.environ, **task.environment, "PYTHONPATH": code}
    if known is not None and (folder / task.hub).is_dir():
        environment["HF_HUB_CACHE"] = str(folder / task.hub)
    process = subprocess.Popen(
        [sys.executable, "-m", PROCESS], cwd=folder, env=environment, text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(json.dumps(dict(task.job)) + "\n")
        process.stdin.flush()
        lines: queue.Queue[str | None] = queue.Queue()
        said: deque[str | None] = deque(maxlen=TAIL)
        threading.Thread(target=_read_lines, args=(process.stdout, lines.put), daemon=True).start()
        errors = threading.Thread(target=_read_lines, args=(process.stderr, said.append), daemon=True)
        errors.start()
        error = None
        looked = time.monotonic()
        while (line := _next(lines)) is not None:
            if line.startswith(ERROR):
                error = base64.b64decode(line[len(ERROR) :])
            elif line:
                yield "line", line
            if known is not None and time.monotonic() - looked > SECONDS:
                yield from changes(folder, patterns, task.last, known)
                looked = time.monotonic()
        ended = process.wait()
        if known is not None:
            yield from changes(folder, patterns, task.last, known)
            if ended == 0:
                yield from sent(folder, task.last)
        errors.join(SECONDS)
        yield "ended", ended, error, "\n".join(line for line in said if line)
    finally:
        process.kill()
        process.wait()


def _read_lines(stream: IO[str], put: Callable[[str | None], None]) -> None:
    for line in stream:
        put(line.rstrip("\n"))
    put(None)


def _next(lines: "queue.Queue[str | None]") -> str | None:
    """The next line; empty if there is none for a while, None if there will be none."""
    try:
        return lines.get(timeout=SECONDS)
    except queue.Empty:
        return ""
