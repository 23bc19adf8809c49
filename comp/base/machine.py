"""The memory and the disks of this machine."""

import os
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path

STATUS, MEMORY, LIMIT = Path("/proc/self/status"), Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
KILO = 1024


def peak_memory() -> int:
    """The most memory that this process has had, in bytes, mapped files included."""
    with suppress(OSError, LookupError):
        return KILO * _kilobytes(STATUS, "VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else KILO * peak


def free_memory() -> int:
    """How much memory new processes can have, in bytes; a container's limit counts."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, LookupError):
        free = KILO * _kilobytes(MEMORY, "MemAvailable")
    with suppress(OSError, ValueError):
        return min(free, int(LIMIT.read_text()))
    return free


def disk_of(path: Path) -> tuple[int, int]:
    """The number of the disk that a file or folder lies on, or will lie on, and how many bytes are free there."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return there.stat().st_dev, shutil.disk_usage(there).free


def _kilobytes(path: Path, name: str) -> int:
    found = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(found[name].split()[0])
