"""Every file that a command reads: empty, cut, flipped, foreign, or something else in its place."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.faults.injection import Injection
from tests.faults.world import EPOCH, FOLD, PREDICT, STACK, World

FOLD_1 = (*FOLD[:6], "1", *FOLD[7:])
SMALL_2 = ("fold", "--competition", "tiny", "--model", "small", "--fold", "2", *EPOCH)
READ_BY = {  # file: a command that reads it
    "data/tiny/train.csv": FOLD,
    "data/tiny/sample_submission.csv": STACK,
    "data/tiny/antibodies.csv": ("data", "--competition", "tiny"),
    "data/tiny/train/image-03_red.png": STACK,
    "data/tiny/test/image-40_blue.png": FOLD,
    "data/tiny.cache/train-32/index.json": FOLD,
    "data/tiny.cache/train-32/rows.bin": FOLD,
    "data/tiny.cache/train-32/images.u8": FOLD,
    "data/tiny.cache/train-32-remarks.csv": FOLD,
    "data/tiny.cache/duplicates.csv": ("folds", "--competition", "tiny"),
    "data/tiny.cache/test-duplicates.csv": STACK,
    "oof/tiny/folds.csv": STACK,
    "oof/tiny/tiny/fold-0.parquet": STACK,
    "oof/tiny/small/test-2.parquet": STACK,
    "oof/tiny/tiny/run-0.json": FOLD,
    "oof/tiny/tiny/experiment.yaml": STACK,
    "oof/tiny/tiny/weights-0.safetensors": ("predict", "--competition", "tiny", "--models", "tiny"),
    "oof/tiny/small/weights-2.safetensors": SMALL_2,
    "oof/tiny/quick/fitted.json": PREDICT,
    "oof/tiny/quick/stack.parquet": ("compare", "--competition", "tiny", "--models", "quick", "tiny+small"),
    "runs/tiny/tiny/fold-1/checkpoint.torch": FOLD_1,
    "runs/tiny/tiny/fold-1/curve.csv": FOLD_1,
    "runs/tiny/small/fold-0/curve.csv": ("runs", "--competition", "tiny"),
    "configs/competitions/tiny.yaml": FOLD,
    "configs/models/tiny.yaml": FOLD,
    "configs/stacks/quick.yaml": STACK,
    "submissions/tiny/SUBMISSION.csv": ("submit", "--competition", "tiny"),
    "submissions/tiny/SUBMISSION.json": ("submit", "--competition", "tiny"),
}


def injections() -> Iterator[Injection]:
    for file, command in READ_BY.items():
        for name, damage in DAMAGES.items():
            yield Injection("damage", f"{file} {name}", command, _inflict(file, damage))


def _inflict(file: str, damage: Callable[[Path], None]) -> Callable[[World], None]:
    def inflict(world: World) -> None:
        path = world.root / file
        if "SUBMISSION" in file:
            path = next((world.root / "submissions/tiny").glob(f"*{path.suffix}"))
        if "fold-1/" in file:  # the fold is not complete
            for made in (world.root / "oof/tiny/tiny").glob("*-1.*"):
                made.unlink()
        elif "weights-2" in file:  # it only has to predict
            (world.root / "oof/tiny/small/fold-2.parquet").unlink()
        elif file == "data/tiny.cache/train-32/images.u8":  # the fold starts anew
            for made in (world.root / "oof/tiny/tiny").glob("*-0.*"):
                made.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text("")
        damage(path)

    return inflict


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    if data:
        place = int(np.random.default_rng(len(data)).integers(len(data)))
        data[place] ^= 1 << place % 8
        path.write_bytes(data)


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _foreign(path: Path) -> None:
    """A whole file of the same form that belongs elsewhere; for other forms a list."""
    others = [other for other in sorted(path.parent.parent.rglob(f"*{path.suffix}")) if other.is_file() and other.name != path.name]
    if others:
        shutil.copyfile(others[-1], path)
    else:
        path.write_text('["a", "b"]\n')


DAMAGES: dict[str, Callable[[Path], None]] = {
    "is empty": lambda path: path.write_bytes(b"") and None,
    "is cut in half": _cut,
    "has a bit flipped": _flip,
    "is noise": _noise,
    "holds null": lambda path: path.write_text("null") and None,
    "holds a deep list": lambda path: path.write_text("[" * 3000) and None,
    "is a folder": _folder,
    "is a pipe": _pipe,
    "is a looping link": _loop,
    "is another file": _foreign,
}
