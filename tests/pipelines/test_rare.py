"""`make rare`: label counts before and after, and the recall of rare classes with and without copies."""

import re

import cv2
import numpy as np
import pytest

from comp.base import registry
from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.competition.experiments.load import load_experiment
from comp.competition.tables import read_train
from comp.images.input_channels import InputChannels
from comp.images.label_counts import LabelCounts, table
from comp.metrics.macro_f1 import macro_f1
from comp.training.trainer import FoldData
from tests.pipelines.stacked_tables import Tables

PLAIN = "backbone: test_resnet\ninitial_weights: scratch\nsize: 32\n"
RARE = PLAIN + "rare: {below: 25, target: 50}\n"


@pytest.fixture
def tables(project):
    """Three models with synthetic predictions. "good" has copies. "striped" (13 of 200) is rare, "absent" has no image."""
    for model, text in {"good": RARE, "fair": PLAIN, "coin": PLAIN}.items():
        (project.root / f"configs/models/{model}.yaml").write_text(text)
    return Tables(project)


def rare(tables, *models):
    return tables.project.call("rare", "--competition", "tables", "--models", *models)


def cells(shown, name):
    """The numbers of the line that begins with a name."""
    line = next(line for line in shown.splitlines() if line.startswith(f"{name} "))
    return [float(number) for number in re.findall(r"[-+]?\d+\.?\d*", line.removeprefix(name).replace("+-", " "))]


def test_counts_are_those_of_the_training_batches(tables):
    ended = rare(tables, "good")
    assert ended.returncode == 0, ended.stderr
    competition, paths = load_competition("tables", tables.root), Paths("tables", tables.root)
    experiment = load_experiment("good", competition, root=tables.root)
    ids, labels = read_train(competition, paths)
    rows = np.flatnonzero(tables.folds.in_order(ids).fold != 0)
    data = FoldData(np.zeros((200, 2, 2, 4), np.uint8), labels, rows, InputChannels((0, 1, 2, 3)))
    batches = data.batches(experiment, 0)
    before, after = labels[rows].sum(axis=0), labels[batches.all_rows].sum(axis=0)
    for column, name in enumerate(competition.classes):
        assert cells(ended.stdout, name) == [before[column], after[column] - before[column], after[column]]
        assert ("rare" in next(line for line in ended.stdout.splitlines() if line.startswith(f"{name} "))) == (name == "striped")
    assert after[2] == 50
    assert cells(ended.stdout, "all images") == [len(rows), len(batches.all_rows) - len(rows), len(batches.all_rows)]
    picture = cv2.imread(str(tables.root / "runs/tables/good/rare-labels.png"))
    assert picture.std() > 10
    assert "recall" not in ended.stdout


def test_recall_of_rare_classes_is_compared_with_every_other_model(tables):
    ended = rare(tables, "coin", "fair", "good")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    number_of = {name: number for number, name in enumerate((*tables.train_ids, *tables.test_ids))}
    places = [number_of[name] for name in tables.train_ids]
    labels = tables.truth[places]
    recall = {}
    for model in ("coin", "fair", "good"):
        decisions = tables.logits[model][places] > 0
        recall[model] = decisions[:, 2][labels[:, 2]].mean()
        found = cells(ended.stdout, model)
        assert found[0] == pytest.approx(recall[model], abs=5e-5)
        assert found[4] == pytest.approx(macro_f1(labels, decisions), abs=5e-5)
    for other in ("coin", "fair"):
        gain, error, *_ = cells(ended.stdout, f"good minus {other}")
        assert gain == pytest.approx(recall["good"] - recall[other], abs=1e-4)
        assert error > 0
    assert f"recall: mean over the 1 classes with fewer than 25 images, {labels[:, 2].sum()} labels on 200 rows" in ended.stdout


def test_tuned_thresholds_come_from_the_other_folds(tables):
    found = cells(rare(tables, "coin", "good").stdout, "good")
    rule = registry.build("thresholds", {"name": "bagged"})
    order = np.argsort(tables.train_ids)
    labels, logits, fold = tables.truth[:200][order], tables.logits["good"][:200][order], tables.folds.fold[order]
    decided = np.zeros_like(labels)
    for held in range(4):
        fitted, held_out = fold != held, np.flatnonzero(fold == held)
        thresholds = np.full(4, 1e9)
        for column in np.flatnonzero(labels[fitted].any(axis=0)):
            thresholds[column] = rule.threshold(logits[fitted, column], labels[fitted, column])
        decided[held_out] = logits[held_out] >= thresholds  # rows may stay empty: some train rows have no label
    assert found[2] == pytest.approx(decided[:, 2][labels[:, 2]].mean(), abs=5e-5)
    assert found[6] == pytest.approx(macro_f1(labels, decided), abs=5e-5)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (("fair",), "configs/models/fair.yaml copies no rare labels: name a model with `rare` last"),
        (("good", "fair"), "configs/models/fair.yaml copies no rare labels: name a model with `rare` last"),
        (("none", "good"), "there is no configs/models/none.yaml: choose one of: "),
        (("tiny", "good"), 'there is no oof/tables/tiny/fold-0.parquet: make models COMP=tables MODELS="tiny good"'),
    ],
)
def test_mistakes_are_one_line(tables, models, message):
    assert message in tables.project.refused(rare(tables, *models))


def test_no_rare_class_is_refused(tables):
    (tables.root / "configs/models/good.yaml").write_text(RARE.replace("below: 25", "below: 3"))
    assert "no class has fewer than 3 images: raise rare.below of configs/models/good.yaml" in tables.project.refused(
        rare(tables, "fair", "good")
    )


def test_the_table_says_how_uneven_the_labels_are():
    counts = LabelCounts(("few", "many", "none"), np.array([4, 80, 0]), np.array([16, 8, 0]), below=20)
    assert table(counts, 84, 16).splitlines() == [
        "class       images  copies  after",
        "many            80       8     88",
        "few              4      16     20  rare",
        "none             0       0      0",
        "all images      84      16    100",
        "the most frequent label has 20 times as many images as the rarest one, with the copies 4 times",
    ]
