"""The lines of `make plan`."""

from comp.base.text_table import aligned
from comp.training.plan import Plan

MINUTE, HOUR = 60.0, 3600.0


def plan_lines(plan: Plan) -> list[str]:
    """A table of a dozen lines: what a fold takes, what all folds take, and from what this was computed."""
    cost, count, train = plan.cost, plan.folds, plan.experiment.train
    together = f"{plan.workers} side by side" if plan.workers > 1 else "one after another"
    checkpoints = f"while folds train, {plan.workers} of them" if plan.workers > 1 else "while a fold trains"
    rows = [
        ["", "a fold", "all folds", ""],
        ["time", _time(cost.seconds), _time(plan.seconds), "with start and image cache"],
        ["  training", _time(cost.training), "", f"{cost.steps:,} steps of {train.batch_size} images in {_time(cost.step)}"],
        ["  validation", _time(cost.validation), "", ""],
        ["  prediction", _time(cost.prediction), "", f"{cost.images:,} images, tta {plan.experiment.tta}"],
        ["image cache", "", _bytes(plan.images.bytes), _cache(plan)],
        ["checkpoint", _bytes(cost.checkpoint), _bytes(plan.workers * cost.checkpoint), checkpoints],
        ["weights", *_kept(plan, cost.weights)],
        ["predictions", _bytes(cost.predictions), _bytes(count * cost.predictions), "with embeddings and voters, if there are any"],
        ["memory", _bytes(cost.memory), _bytes(plan.memory), f"of {_bytes(plan.free_memory)} that are free"],
    ]
    if cost.gpu:
        rows.append(["GPU memory", _bytes(cost.gpu[0]), "", f"of {_bytes(cost.gpu[1])}"])
    head = f"{plan.job.model} on {plan.job.competition}: {count} folds, {together}, on {cost.device}"
    notes = [row.pop() for row in rows]
    return [head, *(f"{line.ljust(33)}  {note}".rstrip() for line, note in zip(aligned(rows), notes, strict=True)), *_fits(plan)]


def _cache(plan: Plan) -> str:
    images = plan.images
    if not images.missing:
        return f"at {plan.experiment.size} px, there already"
    many = f"{images.missing:,} images at {plan.experiment.size} px"
    return f"{many}, {_time(plan.cache_seconds)}" if images.seconds else f"{many}; the time is not known, as images are missing"


def _kept(plan: Plan, size: int) -> tuple[str, str, str]:
    return (
        _bytes(size),
        _bytes(plan.folds * size) if plan.job.keep else "0 MB",
        "" if plan.job.keep else "removed after each fold, as KEEP=0 asks",
    )


def _fits(plan: Plan) -> list[str]:
    """What will not fit, and what to type; or that everything does."""
    smaller = f'free some space, or take smaller images: SET="size={plan.experiment.size // 2}"'
    full = [each for each in plan.disks() if each[0] > each[1]]
    found = [f"will not fit: {_bytes(needed)} are to be written to a disk with {_bytes(free)} free: {smaller}" for needed, free in full]
    if plan.memory > plan.free_memory:
        fewer = f"WORKERS={plan.workers - 1}" if plan.workers > 1 else "close other programs, or take smaller batches"
        found.append(f"will not fit: {_bytes(plan.memory)} of memory, and {_bytes(plan.free_memory)} are free: {fewer}")
    written = ", ".join(f"{_bytes(needed)} are to be written to a disk with {_bytes(free)} free" for needed, free in plan.disks())
    return found or [f"everything fits: {written}"]


def _time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 1.5 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.1f} min" if seconds < 1.5 * HOUR else f"{seconds / HOUR:.1f} h"


def _bytes(size: float) -> str:
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
