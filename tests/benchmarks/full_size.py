"""Reading random batches of 512 and 1024 px, raw and compressed, from memory and from the disk.

The images are real ones of HPA if the environment variable HPA_SHARED names a folder with `hpa-sample` (512 px) and `hpa-highres` (2048 and
3072 px), else synthetic ones. Files hold them again and again, all in another orientation. Cold: the pages of the file are dropped
before, so that the kernel reads from the disk; what lies below it, such as the host of a virtual machine, may still have them.
"""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.processes import cores
from comp.base.progress import say
from comp.base.text_table import aligned
from comp.images.augmentations.dihedral import turn
from comp.images.cache import COMPRESSED, RAW, RECORD, open_cache
from comp.images.cache_files import CacheFiles, begin_files
from comp.images.cache_sources import CacheContent
from comp.images.input_channels import Images
from comp.practice.writer import CHANNELS
from tests.benchmarks.decoding import decoded
from tests.benchmarks.inputs import synthetic_images
from tests.benchmarks.paired import Ratio, Seconds, Side, alternate, timed
from tests.benchmarks.results import Result, at_least
from tests.benchmarks.stored_forms import CODECS, Encoded, Mapped, Read

BATCH = 32
THREADS = (1, 2, 8)
SIZES = {512: 512, 1024: 128}  # px: images in a file, 0.5 GB
COST_ROUNDS = 4  # times as many, because they are short
REAL = {512: "hpa-sample/train", 1024: "hpa-highres"}  # where real images for a size are


@dataclass(frozen=True)
class Form:
    """A way to store images, and to read them.

    Attributes:
        path: the file.
        open: opens it. A memory map must be closed before the pages of its file can be dropped.
    """

    path: Path
    open: Callable[[], Images]


def measure(folder: Path, sizes: Mapping[int, int] = SIZES, rounds: int = 5) -> list[Result]:
    """`sizes`: pixels -> images in a file."""
    cv2.setNumThreads(1)
    return [result for size, count in sizes.items() for result in measure_size(folder / f"full-size-{size}", size, count, rounds)]


def measure_size(folder: Path, size: int, count: int, rounds: int) -> list[Result]:
    folder.mkdir()
    source, distinct = images_at(folder, size)
    forms = stored(folder, distinct, count)
    threads = [number for number in THREADS if number <= cores()]
    every = [(form, name, number) for name, form in forms.items() for number in threads]
    warm = alternate({side(name, number): warm_side(form, count, number) for form, name, number in every}, rounds, f"{size} px, warm")
    cold = alternate({side(name, number): cold_side(form, count, number) for form, name, number in every}, rounds, f"{size} px, cold")
    say(f"\n{size} px, {source}, {count} in a file, batches of {BATCH}, images/s")
    say("\n".join(table(forms, size, count, threads, warm, cold)))
    results = [warm_cost(forms, size, count, COST_ROUNDS * rounds)]
    shutil.rmtree(folder)
    for number in threads:
        for form in ("cache, raw", "cache, compressed"):
            ratio, control = (Ratio.of(cold[side("memory map", number)], cold[side(each, number)]) for each in (form, "memory map again"))
            results.append(Result(f"{size} px, cold, {threads_of(number)}, speed: {form} / memory map", str(ratio), str(control)))
    return results


def warm_cost(forms: Mapping[str, Form], size: int, count: int, rounds: int) -> Result:
    """The processor time of reading raw batches that are in memory. Other work on the machine changes it less than the time that passes."""
    names = ("memory map", "memory map again", "cache, raw")
    sides = {name: cost_side(forms[name].open(), batches(count)) for name in names}
    seconds = alternate(sides, rounds, f"{size} px, processor time")
    ratio, control = (Ratio.of(seconds["memory map"], seconds[name]) for name in ("cache, raw", "memory map again"))
    each = ", ".join(f"{1e6 * float(np.median(seconds[name])) / count:,.0f}" for name in ("cache, raw", "memory map"))
    return at_least(0.9, f"{size} px, warm, processor time: memory map / cache, raw", ratio, control, f"{each} microseconds an image")


def cost_side(images: Images, turns: Iterator[list[NDArray[np.int64]]]) -> Side:
    return timed(lambda: [images[rows].shape for rows in next(turns)], process_time)


def side(name: str, threads: int) -> str:
    return f"{name}, {threads_of(threads)}"


def threads_of(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


def table(forms: Mapping[str, Form], size: int, count: int, threads: Sequence[int], *states: Mapping[str, Seconds]) -> list[str]:
    """A line for each form: bytes of an image, how many times smaller than raw, and images/s of its fastest round."""
    heads = [f"{state}, {threads_of(number)}" for state in ("warm", "cold") for number in threads]
    lines = [["stored as", "kB an image", "ratio", *heads]]
    raw = size * size * len(CHANNELS)
    for name, form in forms.items():
        taken = form.path.stat().st_size / count
        rates = [count / float(seconds[side(name, number)].min()) for seconds in states for number in threads]
        lines.append([name, f"{taken / 1e3:.0f}", f"{raw / taken:.2f}", *(f"{rate:,.0f}" for rate in rates)])
    return aligned(lines)


def batches(count: int) -> Iterator[list[NDArray[np.int64]]]:
    """Random batches for one turn after the other. In a turn, each image comes once."""
    generator = np.random.default_rng(0)
    while True:
        yield np.split(generator.permutation(count), range(BATCH, count, BATCH))


def warm_side(form: Form, count: int, threads: int) -> Side:
    """A side that reads batches from memory by some threads, each a batch at a time."""
    images, turns = form.open(), batches(count)
    form.path.read_bytes()
    return lambda: seconds_of_reading(images, next(turns), threads)


def cold_side(form: Form, count: int, threads: int) -> Side:
    """The same from the disk."""
    turns = batches(count)

    def dropped_first() -> float:
        drop(form.path)
        return seconds_of_reading(form.open(), next(turns), threads)

    return dropped_first


def seconds_of_reading(images: Images, wanted: list[NDArray[np.int64]], threads: int) -> float:
    with ThreadPoolExecutor(threads) as pool:
        started = perf_counter()
        deque(pool.map(lambda rows: images[rows], wanted), maxlen=0)
        return perf_counter() - started


def drop(path: Path) -> None:
    """Drop the pages of a file from memory."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def images_at(folder: Path, size: int) -> tuple[str, list[NDArray[np.uint8]]]:
    """What the different images (size, size, 4) are, and the images."""
    place = REAL.get(size)
    found = sorted(Path(os.environ.get("HPA_SHARED", "/nowhere"), place).glob("*_red.png")) if place else []
    if found:
        files = [[path.with_name(path.name.replace("_red", f"_{channel}")) for channel in CHANNELS] for path in found]
        return f"{len(files)} real images", [decoded(each, size) for each in files]
    files = synthetic_images(folder, size, 8)
    return f"{len(files)} synthetic images", [decoded(each, size) for each in files]


def turned(images: Sequence[NDArray[np.uint8]], count: int) -> Iterator[NDArray[np.uint8]]:
    """`count` images: all of them in one orientation after the other."""
    for number in range(count):
        yield np.ascontiguousarray(turn(images[number % len(images)], number // len(images) % 8))


def stored(folder: Path, images: Sequence[NDArray[np.uint8]], count: int) -> dict[str, Form]:
    """The images in every form."""
    shape = images[0].shape
    raw, compressed = (write_cache(folder / form, images, count, form) for form in (RAW, COMPRESSED))
    mapped = Form(raw, lambda: Mapped(raw, count, shape))
    forms = {
        "memory map": mapped,
        "memory map again": mapped,
        "memory map, told ahead": Form(raw, lambda: Mapped(raw, count, shape, told_ahead=True)),
        "positioned reads": Form(raw, lambda: Read(raw, count, shape)),
        "cache, raw": Form(raw, lambda: open_cache(raw.parent).images),
        "cache, compressed": Form(compressed, lambda: open_cache(compressed.parent).images),
    }
    for number, (name, codec) in enumerate(CODECS.items()):
        path = folder / f"{number}.bin"
        encoded = Encoded(path, shape, codec, turned(images, count))
        forms[name] = Form(path, lambda encoded=encoded: encoded)  # type: ignore[misc]
    return forms


def write_cache(folder: Path, images: Sequence[NDArray[np.uint8]], count: int, form: str) -> Path:
    """The file of the images of a new cache."""
    content = CacheContent({str(number): [] for number in range(count)}, len(images[0]), CHANNELS)
    begin_files(folder, content.index | {"form": form})
    cache = open_cache(folder)
    with CacheFiles(cache) as files:
        for row, image in enumerate(turned(images, count)):
            files.done(row, files.write(row, image, np.zeros((), RECORD)))
    return cache.images.path
