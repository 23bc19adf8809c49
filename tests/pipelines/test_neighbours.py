"""Models that embed images: training, `make neighbours` and `make ablate`, as a user types them."""

import re

import cv2
import numpy as np
import pandas as pd
import pytest

from comp.folds.fold_map import FoldMap
from comp.neighbours.known_groups import true_shares
from comp.predictions.embeddings import read_embeddings
from comp.predictions.features import read_features
from comp.predictions.prediction_file import read_predictions

METRIC = """
trainer: metric
backbone: test_resnet
initial_weights: scratch
size: 32
embedding: 8
sampler: {name: identities, images: 2}
votes: {count: 4}
train: {epochs: 2, batch_size: 8, lr: 3.0e-3}
"""


@pytest.fixture
def embedding(project):
    (project.root / "configs/models/near.yaml").write_text(METRIC)
    for model in ("near", "tiny"):
        ended = project.call("models", "--competition", "tiny", "--models", model, "--workers", "1")
        assert ended.returncode == 0, ended.stderr
    return project


def neighbours(project, *arguments):
    return project.call("neighbours", "--competition", "tiny", *arguments)


def test_a_model_that_embeds_writes_predictions_embeddings_and_joins_stacks(embedding):
    folder = embedding.root / "oof/tiny/near"
    folds = FoldMap.read(embedding.root / "oof/tiny/folds.csv")
    labels = pd.read_csv(embedding.root / "data/tiny/train.csv", index_col="Id", keep_default_na=False)["Target"]
    for fold in range(3):
        found, predicted = read_embeddings(folder / f"embeddings-{fold}.parquet"), read_predictions(folder / f"fold-{fold}.parquet")
        assert len(found.ids) == 42
        others = [image_id for image_id, held in zip(folds.ids, folds.fold, strict=True) if held != fold]
        similarity = found.of(predicted.ids).astype(float) @ found.of(others).astype(float).T
        for row, values in enumerate(similarity):
            best = np.argsort(-values)[:4]
            weight = np.exp((values[best] - 1) / 0.1)
            is_positive = np.array([[str(column) in labels[others[one]].split() for column in range(3)] for one in best])
            prior = (np.array([[str(column) in labels[other].split() for column in range(3)] for other in others]).sum(axis=0) + 0.5) / (
                len(others) + 1
            )
            expected = (weight @ is_positive + 0.01 * prior) / (weight.sum() + 0.01)
            np.testing.assert_allclose(1 / (1 + np.exp(-predicted.logits[row])), expected, atol=1e-5)
    again = embedding.call("fold", "--competition", "tiny", "--model", "near", "--fold", "1")
    assert "near fold 1: complete, nothing to do" in again.stdout
    (folder / "embeddings-1.parquet").unlink()
    before = (folder / "fold-1.parquet").read_bytes()
    assert "near fold 1: macro F1" in embedding.call("fold", "--competition", "tiny", "--model", "near", "--fold", "1").stdout
    assert (folder / "fold-1.parquet").read_bytes() == before
    stacked = embedding.call("stack", "--competition", "tiny")
    assert "stacking 2 models on 36 rows in 3 folds: near, tiny" in stacked.stdout


def test_the_report_scores_neighbours_and_writes_review_map_and_features(embedding):
    ended = neighbours(embedding, "--models", "near", "tiny")
    assert ended.returncode == 0, ended.stderr
    for words in ("neighbours of near: 36 images, each with its 4 nearest in other folds", "near minus tiny", "known (", "new ("):
        assert words in ended.stdout
    folder = embedding.root / "runs/tiny/neighbours"
    reviewed = pd.read_csv(folder / "review.csv", dtype=str, keep_default_na=False)
    labels = pd.read_csv(embedding.root / "data/tiny/train.csv", index_col="Id", keep_default_na=False)["Target"]
    folds = pd.read_csv(embedding.root / "oof/tiny/folds.csv", index_col="id")["fold"]
    for _, line in reviewed.iterrows():
        assert line["labels"] == labels[line["id"]]
        for other, theirs in zip(line["neighbours"].split(), line["their labels"].split("; "), strict=True):
            assert folds[other] != folds[line["id"]]
            assert theirs == labels[other]
            if line["why"] == "labels":
                assert not set(theirs.split()) & set(line["labels"].split())
    assert cv2.imread(str(folder / "map.png")).shape[2] == 3

    path = embedding.root / "oof/tiny/near/features.parquet"
    ids = [*labels.index, *(f"image-{number:02d}" for number in range(36, 42))]
    features = read_features(path, ids, "Id")
    assert features.shape == (42, 5)
    found = read_embeddings(embedding.root / "oof/tiny/near/embeddings-2.parquet")
    row = list(labels.index).index(folds.index[folds == 2][0])
    others = [other for other in labels.index if folds[other] != 2]
    similarity = found.of([labels.index[row]]).astype(float)[0] @ found.of(others).astype(float).T
    for column in range(3):
        carrying = [value for value, other in zip(similarity, others, strict=True) if str(column) in labels[other].split()]
        assert features[row, column] == pytest.approx(max(carrying), abs=1e-6)
    assert features[row, 4] == pytest.approx(similarity.max(), abs=1e-6)


def test_a_picture_shows_a_train_or_test_image_with_its_neighbours(embedding):
    folds = pd.read_csv(embedding.root / "oof/tiny/folds.csv", index_col="id")["fold"]
    for image_id in ("image-05", "image-40"):
        ended = neighbours(embedding, "--models", "near", "--id", image_id, "--count", "3")
        assert ended.returncode == 0, ended.stderr
        lines = [line.split() for line in ended.stdout.splitlines() if line.startswith("image-")]
        assert lines[0][0] == image_id
        assert len(lines) == 4
        values = [float(line[1]) for line in lines[1:]]
        assert values == sorted(values, reverse=True)
        assert all(folds[line[0]] != folds.get(image_id) for line in lines[1:])
        assert cv2.imread(str(embedding.root / f"runs/tiny/neighbours/{image_id}.png")) is not None


def test_pictures_of_ids_with_slashes_lie_in_the_folder_of_pictures(project):
    """The images lie in a folder for each plate, and ids name it."""
    (project.root / "configs/models/near.yaml").write_text(METRIC)
    data = project.root / "data/tiny"
    for split in ("train", "test"):
        (data / split / "plate1").mkdir()
        for file in (data / split).glob("*.png"):
            file.rename(data / split / "plate1" / file.name)
    for table in ("train.csv", "sample_submission.csv", "antibodies.csv"):
        (data / table).write_text((data / table).read_text().replace("image-", "plate1/image-"))
    trained = project.call("models", "--competition", "tiny", "--models", "near", "--set", "train.epochs=1", "--workers", "1")
    assert trained.returncode == 0, trained.stderr
    for image_id in ("plate1/image-05", "plate1/image-40"):
        ended = neighbours(project, "--models", "near", "--id", image_id)
        assert ended.returncode == 0, ended.stderr
        picture = project.root / ended.stdout.splitlines()[-1].partition(":")[0]
        assert picture.parent == project.root / "runs/tiny/neighbours"
        assert picture.name.startswith(image_id.replace("/", "_"))
        assert cv2.imread(str(picture)) is not None
    refused = project.refused(neighbours(project, "--models", "near", "--id", "../../../outside"))
    assert "has no image ../../../outside" in refused


def test_what_a_model_is_worth(embedding):
    ended = embedding.call("ablate", "--competition", "tiny", "--model", "near", "--stack", "quick")
    assert ended.returncode == 0, ended.stderr
    assert "with near: near, tiny" in ended.stdout
    assert "without: tiny" in ended.stdout
    with_it, without, difference = (
        float(re.search(rf"^{name}\s+([-+]?\d\.\d+)", ended.stdout, re.MULTILINE)[1]) for name in ("with near", "without", "  without")
    )
    assert difference == pytest.approx(with_it - without, abs=1.01e-4)


def train(project, settings, *folds):
    for fold in folds:
        ended = project.call("fold", "--competition", "tiny", "--model", "near", "--fold", str(fold), "--set", settings, "--retrain")
        assert ended.returncode == 0, ended.stderr


def test_embeddings_of_networks_trained_differently_are_refused(embedding):
    train(embedding, "embedding=4", 1)
    error = embedding.refused(neighbours(embedding, "--models", "near"))
    assert "predictions of near differ in experiment" in error


def test_embeddings_of_a_model_that_no_longer_embeds_are_not_read(embedding):
    (embedding.root / "configs/models/near.yaml").write_text((embedding.root / "configs/models/tiny.yaml").read_text())
    assert "none of near embeds images" in embedding.refused(neighbours(embedding, "--models", "near"))
    assert "there is no model that embeds images" in embedding.refused(neighbours(embedding))


def test_neighbours_vote_with_the_settings_the_model_was_trained_with(embedding):
    before = neighbours(embedding, "--models", "near").stdout
    path = embedding.root / "configs/models/near.yaml"
    path.write_text(path.read_text().replace("count: 4", "count: 2"))
    assert neighbours(embedding, "--models", "near").stdout == before


def test_stacks_refuse_features_of_neighbours_that_are_out_of_date(embedding):
    table = "oof/tiny/near/features.parquet"
    (embedding.root / "configs/stacks/with-features.yaml").write_text(
        f"blenders: [{{name: mean}}, {{name: lightgbm}}]\nthresholds: [{{name: exact}}]\nfeatures: [{table}]\n"
    )
    assert neighbours(embedding, "--models", "near").returncode == 0
    arguments = ("stack", "--competition", "tiny", "--stack", "with-features", "--models", "near", "tiny")
    ended = embedding.call(*arguments)
    assert ended.returncode == 0, ended.stderr
    error = embedding.refused(embedding.call("ablate", "--competition", "tiny", "--model", "near", "--stack", "with-features"))
    assert f"configs/stacks/with-features.yaml has the features {table}, made from near: choose a stack without them" in error

    train(embedding, "train.epochs=3", 0, 1, 2)
    again = 'make it again: make neighbours COMP=tiny MODELS="near"'
    what = f"{table} was made from near, which has been trained with other settings since"
    assert f"{what}: {again}" in embedding.refused(embedding.call(*arguments))

    path = embedding.root / "data/tiny/train.csv"
    path.write_text(path.read_text().replace("image-05,", "image-05,0 1 2 ").replace("0 1 2 0", "0 1 2").replace("0 1 2 1", "0 1 2"))
    assert embedding.call("models", "--competition", "tiny", "--models", "tiny", "--workers", "1", "--retrain").returncode == 0
    error = embedding.refused(embedding.call(*arguments[:5], "--models", "tiny"))
    assert f"{table} was made with another train table than the present one: {again}" in error


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("neighbours", ("--models", "near", "--id", "nobody"), "tiny has no image nobody: give an id of its train table or its sample"),
        ("neighbours", ("--models", "naer"), "there is no model naer in oof/tiny, nor in configs/models: did you mean near?"),
        ("neighbours", ("--models", "tiny"), "none of tiny embeds images: train one: make model COMP=tiny MODEL=arcface-"),
        ("ablate", ("--model", "small"), "there is no oof/tiny/small/fold-0.parquet: make fold-0 COMP=tiny MODEL=small"),
        ("ablate", ("--model", "narr"), "there is no model narr in oof/tiny, nor in configs/models: did you mean near?"),
        ("ablate", ("--model", ""), "no model is named: say which one to leave out: make ablate MODEL="),
        ("ablate", ("--model", "near", "--models", "small"), "there is no oof/tiny/small/fold-0.parquet: make fold-0 COMP=tiny"),
        ("ablate", ("--model", "near", "--models", "near"), "without near no model is left to stack: train others: make model COMP=tiny"),
    ],
)
def test_mistakes_are_one_line(embedding, module, arguments, message):
    assert message in embedding.refused(embedding.call(module, "--competition", "tiny", *arguments))


def test_without_any_model_that_embeds(project):
    assert "there is no model that embeds images" in project.refused(neighbours(project))


def test_true_shares_of_known_antibodies_and_of_their_wells():
    """A and B have images in both folds; b2 is alone in its well; test images are from wells with and without training images."""
    images = [("a1", "A", "1"), ("a2", "A", "1"), ("b1", "B", "2"), ("b2", "B", "3"), ("c1", "C", "4")]
    tested = [("t1", "A", "1"), ("t2", "B", "2"), ("t3", "B", "5"), ("t4", "C", "4"), ("t5", "D", "6")]
    tables = pd.DataFrame([*images, *tested], columns=["id", "antibody", "well"]).set_index("id")
    folds = FoldMap(tuple(name for name, *_ in images), np.array([0, 1, 0, 1, 0], np.int8), tuple("AABBC"))
    # fold 0 is trained on a2 (well 1) and b2 (well 3), fold 1 on a1 (1), b1 (2) and c1 (4)
    known, of_test, of_held_out = true_shares(tables, folds, [name for name, *_ in tested])
    assert known == pytest.approx((3 / 5 + 4 / 5) / 2)
    assert of_test == pytest.approx((1 + 3) / (3 + 4))
    assert of_held_out == pytest.approx(2 / 4)
