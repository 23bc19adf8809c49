"""Values that no sane user types, in every option, YAML key, name and id."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.injection import Injection
from tests.faults.world import FOLD, MODELS, STACK, World

NAMES = (
    "../../outside",
    "/etc/passwd",
    "a" * 300,
    "a\nb",
    "a\0b".replace("\0", "\x01"),
    ".",
    "..",
    "",
    "-x",
    "{id}",
    "a/b",
    "%s%n",
    "'; touch x; '",
)
SETTINGS = (
    "seed=-1", f"seed={10**30}", "train.epochs=1000000000000", "train.epochs=-3", "train.epochs=nan", "train.batch_size=0",
    "train.batch_size=1000000000", "train.threads=100000", "train.threads=0", "size=0", "size=1000000000", "size=-32", "train.lr=inf",
    "train.lr=nan", "train.lr=-1", "backbone=../../x", "backbone=resnet18.a1_in21k", f"backbone={'b' * 300}", "loss={name: ../x}",
    "loss={name: __init__}", "loss={name: focal, gamma: 1e999}", "augmentation={name: os}", "tta=100000", "labels={top: -1}",
    "labels=[" + "a," * 3000 + "a]", "channels={name: pick, channels: []}", "sampler=" + "[" * 3000, "train=3", "size.x.y=1", "=1",
    "size==3",
    "train.validate=-1", "train.validate=1000000000", "initial_weights=/dev/zero", "initial_weights=.",
    "train.epochs=1 " + " ".join(f"x{n}=1" for n in range(3000)),
)  # fmt: skip
IDS = ("../../outside", "/outside", "a//b", "a\x07b", " a", "a ", "a" * 300, "", ".", "a/../../b", "C:\\a")
PATTERNS = (
    "{id.__class__}.png",
    "{id!r:>999999999}.png",
    "{0}.png",
    "{id:999999999}.png",
    "{channel}.png",
    "../{id}/../{id}.png",
    "{id",
    "{id}{x}",
)


def injections() -> Iterator[Injection]:
    for setting in SETTINGS:
        yield Injection("hostile values", f"SET={setting[:60]}", (*FOLD[:-1], setting))
    for name in NAMES:
        shown = repr(name[:30])
        yield Injection("hostile values", f"COMP={shown}", ("folds", f"--competition={name}"))
        yield Injection("hostile values", f"MODEL={shown}", (*FOLD[:3], f"--model={name}", *FOLD[5:]))
        yield Injection("hostile values", f"MODEL={shown} of an import", _importing(name))
        if name:
            yield Injection("hostile values", f"AS={shown}", (*FOLD, f"--as={name}"), says="configs/models/")
        yield Injection("hostile values", f"STACK={shown}", (*STACK[:-2], f"--stack={name}"))
        yield Injection(
            "hostile values", f"COMP={shown} DATA=data/tiny", ("competition", f"--competition={name}", "--data=data/tiny"), says="written"
        )
    for image_id in IDS:
        for table, name in (("train.csv", "train"), ("sample_submission.csv", "test")):
            yield Injection(
                "hostile values", f"id {image_id[:20]!r} in the {name} table", ("data", "--competition", "tiny"), _with_id(table, image_id)
            )
    for pattern in PATTERNS:
        yield Injection("hostile values", f"images.file: {pattern}", ("data", "--competition", "tiny"), _with_pattern(pattern))
    for option, value in (("--fold", "-1"), ("--fold", "99999999999999999999"), ("--fold", "x"), ("--checkpoint-minutes", "nan")):
        yield Injection("hostile values", f"{option}={value}", (*FOLD, f"{option}={value}"))
    for value in ("0", "-1", "x", "1000000"):
        yield Injection("hostile values", f"WORKERS={value}", (*MODELS, f"--workers={value}"))
    for value in ("nan", "-1", "2", "x", "inf"):
        yield Injection("hostile values", f"HOLDOUT={value}", ("folds", "--competition", "tiny", f"--holdout={value}"))


def _importing(name: str) -> tuple[str, ...]:
    return ("importing", "--competition", "tiny", f"--model={name}", "--val", "val.npy", "--test", "test.npy", "--declare", "oof")


def _with_id(table: str, image_id: str) -> Callable[[World], None]:
    def inflict(world: World) -> None:
        path: Path = world.root / "data/tiny" / table
        path.write_text(path.read_text() + f"{image_id},0\n")

    return inflict


def _with_pattern(pattern: str) -> Callable[[World], None]:
    def inflict(world: World) -> None:
        with (world.root / "configs/competitions/tiny.yaml").open("a") as file:
            file.write(f"images: {{file: '{pattern}'}}\n")

    return inflict
