"""Near-duplicates are split between folds on purpose: the score rises, and the audit names the pairs."""

import re

import cv2
import numpy as np
import pytest

from comp.folds.fold_map import FoldMap
from comp.metrics.auroc import mean_auroc
from comp.predictions.prediction_file import read_predictions
from tests.tiny_competition import CHANNELS

PAIRS = 60
NEAR = """
trainer: metric
backbone: test_resnet
initial_weights: scratch
size: 64
embedding: 16
metric: {name: supcon}
identity: labels
sampler: {name: identities, images: 2}
votes: {count: 1}
train: {epochs: 8, batch_size: 16, lr: 3.0e-3}
"""


@pytest.fixture
def retaken(project):
    """Fields photographed twice, with random labels: only the other photograph of a field tells its labels."""
    generator = np.random.default_rng(1)
    data = project.root / "data/tiny"
    for file in (data / "train").iterdir():
        file.unlink()
    lines = []
    for pair in range(PAIRS):
        grains = generator.integers(0, 256, (70, 70, 4)).astype(np.float32)
        field = cv2.GaussianBlur(grains, (0, 0), generator.uniform(1.5, 4)) - 127
        field = np.clip(generator.uniform(40, 180, 4) + 60 * field / field.std(), 5, 250)
        labels = " ".join(str(column) for column in range(3) if generator.random() < 0.4)
        for take, (shift, gain) in enumerate([(0, 1.0), (3, 0.9)]):
            photograph = gain * field[shift : shift + 64, shift : shift + 64] + generator.normal(0, 3, (64, 64, 4))
            name = f"field-{pair:02d}-{take}"
            for channel, pixels in zip(CHANNELS, np.moveaxis(photograph.clip(0, 255).astype(np.uint8), -1, 0), strict=True):
                assert cv2.imwrite(str(data / "train" / f"{name}_{channel}.png"), np.ascontiguousarray(pixels))
            lines.append(f"{name},{labels}")
    (data / "train.csv").write_text("\n".join(["Id,Target", *lines]) + "\n")
    competition = project.root / "configs/competitions/tiny.yaml"
    competition.write_text(re.sub(r"(?m)^groups:.*\n", "", competition.read_text()))
    (project.root / "configs/models/near.yaml").write_text(NEAR)
    return project


def measured(project) -> float:
    """The mean AUROC of out-of-fold votes."""
    ended = project.call("models", "--competition", "tiny", "--models", "near", "--workers", "1", "--retrain")
    assert ended.returncode == 0, ended.stderr
    found = [read_predictions(project.root / f"oof/tiny/near/fold-{fold}.parquet") for fold in range(3)]
    labels_of = dict(line.split(",") for line in (project.root / "data/tiny/train.csv").read_text().split("\n")[1:-1])
    labels = np.array([[str(column) in labels_of[image_id].split() for column in range(3)] for each in found for image_id in each.ids])
    return mean_auroc(labels, np.concatenate([each.logits for each in found]))


def test_split_near_duplicates_raise_the_score_and_are_named(retaken):
    made = retaken.call("folds", "--competition", "tiny")
    assert made.returncode == 0, made.stderr
    assert f"audit: none of the {PAIRS} pairs of near-duplicates is split between folds" in made.stdout
    grouped = measured(retaken)

    path = retaken.root / "oof/tiny/folds.csv"
    folds = FoldMap.read(path)
    path.unlink()
    careless = retaken.root / "careless.csv"
    FoldMap(folds.ids, np.array([(number // 2 + number % 2) % 3 for number in range(2 * PAIRS)], np.int8), folds.ids).write(careless)
    given = retaken.call("folds", "--competition", "tiny", "--file", str(careless))
    assert f"audit: {PAIRS} of {PAIRS} pairs of near-duplicates are split between folds, and scores will be too high:" in given.stdout
    assert re.search(r"^field-00-0 \(fold 0\) and field-00-1 \(fold 1\)$", given.stdout, re.MULTILINE)
    assert f"and {PAIRS - 20} more" in given.stdout
    careless_score = measured(retaken)
    assert abs(grouped - 0.5) < 0.15  # three standard errors of guessing about 60 fields
    assert careless_score > grouped + 0.2
