"""Training batches for PyTorch, made by threads ahead of the training step and copied to its device ahead of it."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from comp.images.batches import Batches

Make = Callable[[int], tuple[NDArray[Any], ...]]
Batch = tuple[Tensor, ...]
CPU = torch.device("cpu")
AHEAD = 2  # batches that each thread makes ahead


def epoch_of(
    batches: Batches, epoch: int, first_step: int = 0, threads: int = 1, device: torch.device = CPU, part: tuple[int, int] = (0, 1)
) -> Iterator[Batch]:
    """The batches of an epoch from `first_step` on, as `Batches.epoch` makes them, on a device.

    Args:
        part: (i, n) is part i, from 0, of n equal parts of each batch.
    """
    make, (index, count) = batches.epoch(epoch), part
    size = batches.batch_size // count

    def some(step: int) -> tuple[NDArray[Any], ...]:
        return tuple(array[index * size : (index + 1) * size] for array in make(step))

    return ahead(make if count == 1 else some, range(first_step, len(batches)), device, threads)


def ahead(make: Make, steps: range, device: torch.device, threads: int = 1) -> Iterator[Batch]:
    """The arrays of `make(step)` as tensors on a device, for each step in order. Threads make the next ones meanwhile."""
    return _copied(_made(make, steps, threads, pinned=device.type == "cuda"), device)


def _made(make: Make, steps: range, threads: int, pinned: bool) -> Iterator[Batch]:
    """Tensors in the memory of the CPU; a GPU copies pinned ones while it computes."""

    def tensors(step: int) -> Batch:
        made = map(torch.from_numpy, make(step))
        return tuple(tensor.pin_memory() for tensor in made) if pinned else tuple(made)

    lead = AHEAD * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(tensors, step) for step in steps[:lead])
        for step in steps:
            batch = waiting.popleft().result()
            if step + lead in steps:
                waiting.append(pool.submit(tensors, step + lead))
            yield batch


def _copied(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a device; a GPU copies each on a stream of its own while it computes with the one before."""
    if device.type != "cuda":
        yield from (tuple(tensor.to(device) for tensor in batch) for batch in batches)
        return
    stream, copied = torch.cuda.Stream(device), deque[tuple[Batch, torch.cuda.Event]]()
    for batch in batches:
        with torch.cuda.stream(stream):
            copied.append((tuple(tensor.to(device, non_blocking=True) for tensor in batch), stream.record_event()))
        if len(copied) > 1:
            yield _ready(*copied.popleft(), device)
    while copied:
        yield _ready(*copied.popleft(), device)


def _ready(batch: Batch, event: torch.cuda.Event, device: torch.device) -> Batch:
    """The batch, for the stream that computes: it waits for the copy, and the memory is not used again before it is done with it."""
    computing = torch.cuda.current_stream(device)
    computing.wait_event(event)
    for tensor in batch:
        tensor.record_stream(computing)
    return batch
