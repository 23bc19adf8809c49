"""A tiny competition: 36 train and 6 test images of 32 px, three classes that a small network can tell apart, twelve antibodies."""

import shutil
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).parents[1]
CHANNELS = ("red", "green", "blue", "yellow")

COMPETITION = """
title: Tiny
data: data/tiny
classes: [round, bright, striped]
groups: {table: antibodies.csv, column: antibody}
folds: {count: 3, split_groups: 0.5}
models: [tiny, small]
"""
TINY = """
backbone: test_resnet
initial_weights: scratch
size: 32
augmentation: {name: dihedral}
train: {epochs: 3, batch_size: 8, lr: 3.0e-3}
"""


def make_tiny_competition(root: Path) -> None:
    """Write its YAML, two models, tables and images below `root`, with the project's own configs beside them."""
    shutil.copytree(REPOSITORY / "configs", root / "configs", ignore=shutil.ignore_patterns("local"))
    (root / "configs/competitions/tiny.yaml").write_text(COMPETITION)
    for model in ("tiny", "small"):
        (root / f"configs/models/{model}.yaml").write_text(TINY)
    data = root / "data/tiny"
    generator = np.random.default_rng(0)
    labels = generator.random((42, 3)) < 0.4
    ids = [f"image-{number:02d}" for number in range(42)]
    for split, names in (("train", ids[:36]), ("test", ids[36:])):
        (data / split).mkdir(parents=True)
        for name in names:
            write_image(data / split, name, labels[ids.index(name)], generator)
    strings = [" ".join(map(str, np.flatnonzero(row))) for row in labels]
    lines = [f"{name},{string}" for name, string in zip(ids[:36], strings, strict=False)]
    (data / "train.csv").write_text("\n".join(["Id,Target", *lines]) + "\n")
    (data / "sample_submission.csv").write_text("\n".join(["Id,Predicted", *(f"{name},0" for name in ids[36:])]) + "\n")
    antibodies = [f"{name},A{number % 12}" for number, name in enumerate(ids[:36])]
    (data / "antibodies.csv").write_text("\n".join(["Id,antibody", *antibodies]) + "\n")


def write_image(folder: Path, name: str, labels: np.ndarray, generator: np.random.Generator) -> None:
    image = generator.integers(5, 60, (32, 32, 4), dtype=np.uint8)
    if labels[0]:
        cv2.circle(image, tuple(generator.integers(8, 24, 2).tolist()), 6, (0, 200, 0, 0), -1)
    if labels[1]:
        image[..., 2] += 100
    if labels[2]:
        image[::4, :, 0] += 150
    for channel, values in zip(CHANNELS, np.moveaxis(image, -1, 0), strict=True):
        assert cv2.imwrite(str(folder / f"{name}_{channel}.png"), np.ascontiguousarray(values))


def make_extra_rows(root: Path, rows: list[dict[str, str]], name: str = "more") -> Path:
    """Write a set of extra rows of the tiny competition: a table with these rows, and an image for each; returns its folder.

    The pixels depend on the id alone. A row without labels of its own gets some by its id.
    """
    folder = root / f"data/tiny.extra/{name}"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = ["Id,Target,sources,group,only_fold"]
    for row in rows:
        generator = np.random.default_rng([*row["Id"].encode()])
        labels = generator.random(3) < 0.4
        if "Target" in row:
            labels = np.array([str(column) in row["Target"].split() for column in range(3)])
        write_image(folder / "images", row["Id"], labels, generator)
        target = " ".join(map(str, np.flatnonzero(labels)))
        lines.append(",".join([row["Id"], target, row.get("sources", ""), row.get("group", ""), row.get("only_fold", "")]))
    (folder / "extra.csv").write_text("\n".join(lines) + "\n")
    return folder
