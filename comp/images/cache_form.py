"""Raw or compressed: the form of a new cache, by the free disk and the memory.

A raw cache is faster while its pages are in memory. One that is larger than the memory is read from the disk all the time, and then the
compressed one is faster, because it has fewer bytes (docs/benchmarks.md).
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from comp.base.errors import DataError
from comp.images.cache import COMPRESSED, RAW

MEMORY_SHARE = 0.75  # of the memory that a raw cache may take: networks and programs need the rest
DISK_SHARE = 0.9  # of the free disk
MOST_RATIO = 20  # compressed images are not smaller than that
CONTROL_GROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def choose_form(folder: Path, raw: int) -> tuple[str, str]:
    """The form of a cache in `folder` that has `raw` bytes of pixels, and why.

    Raises:
        DataError: the disk has too little space for any form.
    """
    free, has = free_disk(folder), memory()
    if raw > free * MOST_RATIO:
        what = f"{folder} needs at least {raw / MOST_RATIO / 1e9:.1f} GB and {free / 1e9:.1f} are free"
        raise DataError(what, "free some space, or choose a smaller size")
    if raw > free * DISK_SHARE:
        return COMPRESSED, f"because raw ({amount(raw)}) is too large for the free disk ({amount(free)})"
    if raw > has * MEMORY_SHARE:
        return COMPRESSED, f"because raw ({amount(raw)}) is larger than {100 * MEMORY_SHARE:.0f} % of the memory ({amount(has)})"
    return RAW, f"because {amount(raw)} fit into the memory ({amount(has)})"


def free_disk(folder: Path) -> int:
    """The free bytes where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def memory(limits: Sequence[Path] = CONTROL_GROUPS) -> int:
    """The bytes of main memory that this process may use: those of the machine, or fewer in a container.

    Args:
        limits: files of the kernel that hold the container's limit, if there is one.
    """
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        with suppress(OSError, ValueError):
            found = min(found, int(path.read_text()))
    return found


def amount(count: int) -> str:
    """Bytes in GB or MB."""
    return f"{count / 1e9:.{0 if count >= 1e10 else 1}f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"
