"""Training batches for PyTorch, made by threads ahead of the training step."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from comp.images.batches import Batches

Batch = tuple[Tensor, ...]
AHEAD = 2  # batches that each thread makes ahead


def epoch_of(batches: Batches, epoch: int, first_step: int = 0, threads: int = 1) -> Iterator[Batch]:
    """The batches of an epoch from `first_step` on, as `Batches.epoch` makes them."""
    return ahead(batches.epoch(epoch), range(first_step, len(batches)), threads)


def ahead(make: Callable[[int], tuple[NDArray[Any], ...]], steps: range, threads: int) -> Iterator[Batch]:
    """The arrays of `make(step)` as tensors, for each step in order. Threads make the next ones meanwhile."""

    def tensors(step: int) -> Batch:
        return tuple(map(torch.from_numpy, make(step)))

    lead = AHEAD * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(tensors, step) for step in steps[:lead])
        for step in steps:
            batch = waiting.popleft().result()
            if step + lead in steps:
                waiting.append(pool.submit(tensors, step + lead))
            yield batch
