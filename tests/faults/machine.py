"""The machine lets a command down: full disks, closed streams, kills, wrong clocks, and a second command at the same time."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from tests.faults.injection import Injection
from tests.faults.world import FOLD, MODELS, PREDICT, STACK, Ended, World, finish, kill

COMMANDS: dict[str, Sequence[str]] = {
    "make data": ("data", "--competition", "tiny"),
    "make folds": ("folds", "--competition", "tiny"),
    "make fold-0": FOLD,
    "make models": MODELS,
    "make stack": STACK,
    "make predict": PREDICT,
}
DESCRIPTORS = {"stdout": 1, "stderr": 2}
SECONDS_TO_KILL = (0.5, 1.5, 3, 5, 8)
YEARS = {"1970": 0, "2100": 4_102_444_800}


def injections() -> Iterator[Injection]:
    for name, command in COMMANDS.items():
        for size in (0, 100, 4_000, 60_000):
            yield Injection("full disk", f"{name}, files of at most {size} bytes", command, _anew(name), _limited(size), afterwards=True)
        for stream in ("stdout", "stderr"):
            yield Injection("streams", f"{name}, {stream} on a full device", command, run=_full(stream))
            yield Injection("streams", f"{name}, {stream} closed", command, run=_closed(DESCRIPTORS[stream]))
        for seconds in SECONDS_TO_KILL:
            yield Injection("kills", f"{name}, killed after {seconds} s", command, _anew(name), _killed(seconds), afterwards=True)
        yield Injection("kills", f"{name}, Ctrl-C", command, _anew(name), _interrupted, afterwards=True)
        yield Injection("races", f"{name}, twice at once", command, _anew(name), _twice, afterwards=True)
        yield Injection("races", f"{name}, five at once", command, _anew(name), _five_times, afterwards=True)
        for year, since_1970 in YEARS.items():
            yield Injection("clocks", f"{name}, all files of {year}", command, _dated(since_1970))


def _anew(name: str) -> Callable[[World], None]:
    """Remove what the command makes, so that it has something to do."""
    made = {
        "make data": ("data/tiny.cache",),
        "make folds": ("data/tiny.cache/duplicates.csv", "data/tiny.cache/train-128"),
        "make fold-0": ("oof/tiny/tiny/fold-0.parquet", "oof/tiny/tiny/weights-0.safetensors", "data/tiny.cache/train-32"),
        "make models": ("oof/tiny/tiny/fold-0.parquet", "oof/tiny/small/test-1.parquet"),
        "make stack": ("submissions/tiny/*.*", "oof/tiny/quick"),  # not the labels of new images
        "make predict": ("submissions/tiny/predict",),
    }[name]

    def inflict(world: World) -> None:
        for path in [path for pattern in made for path in world.root.glob(pattern)]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    return inflict


def _limited(size: int) -> Callable[[World, Sequence[str]], list[Ended]]:
    return lambda world, command: [world.type(command, largest_file=size)]


def _full(stream: str) -> Callable[[World, Sequence[str]], list[Ended]]:
    def run(world: World, command: Sequence[str]) -> list[Ended]:
        with open("/dev/full", "w") as full:
            return [world.type(command, **{stream: full})]

    return run


def _closed(descriptor: int) -> Callable[[World, Sequence[str]], list[Ended]]:
    return lambda world, command: [finish(world.start(command, closed=descriptor))]


def _killed(seconds: float) -> Callable[[World, Sequence[str]], list[Ended]]:
    """Kill the command some time after its start, if it has not ended."""

    def run(world: World, command: Sequence[str]) -> list[Ended]:
        process = world.start(command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        kill(process)
        return [finish(process)]

    return run


def _interrupted(world: World, command: Sequence[str]) -> list[Ended]:
    process = world.start(command)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    return [finish(process)]


def _twice(world: World, command: Sequence[str]) -> list[Ended]:
    return [finish(process) for process in [world.start(command) for _ in range(2)]]


def _five_times(world: World, command: Sequence[str]) -> list[Ended]:
    return [finish(process, 300) for process in [world.start(command) for _ in range(5)]]


def _dated(seconds: int) -> Callable[[World], None]:
    def inflict(world: World) -> None:
        for path in world.root.rglob("*"):
            os.utime(path, (seconds, seconds))

    return inflict
