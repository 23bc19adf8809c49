"""Which GPU trains a fold, so that commands typed side by side do not share one by accident."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from comp.base.locks import lock_if_free
from comp.base.paths import gpu_lock
from comp.base.progress import say


@contextmanager
def free_gpu(count: int, slot: int) -> Iterator[int]:
    """The number of a GPU on which no other process trains: that of the slot, or the next free one. It stays taken meanwhile.

    If all are in use, the slot's is shared, and this is said.

    Args:
        count: how many GPUs there are; with none, this gives the slot.
    """
    for number in [(slot + step) % count for step in range(count)]:
        with lock_if_free(gpu_lock(_name(number))) as is_free:
            if is_free:
                yield number
                return
    if count:
        say(f"note: all GPUs are in use, so GPU {slot % count} is shared; it needs the memory for two folds")
    yield slot


def _name(number: int) -> str:
    """The GPU's own number or identifier: a process may see some of them only, and count these from 0."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return visible[number].strip() if number < len(visible) and visible[number].strip() else str(number)
