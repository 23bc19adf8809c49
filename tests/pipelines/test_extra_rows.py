"""Extra rows as a user has them: trained on by every trainer, never predicted, never in a fold that holds what they were made from."""

import json
import re
import shutil
from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np
import pytest

from comp.folds.fold_map import FoldMap
from comp.inference.weights import read_weights
from comp.predictions.prediction_file import read_predictions
from comp.training.engines.shipping import shared_files
from comp.training.fold_inputs import FoldInputs
from comp.training.fold_job import FoldJob
from comp.training.train_network import fold_data
from tests.conftest import Project
from tests.pipelines.test_cascade import CASCADE
from tests.pipelines.test_keras_training import ALL_CNN
from tests.pipelines.test_neighbours import METRIC
from tests.tiny_competition import CHANNELS, TINY, make_extra_rows, make_tiny_competition
from tests.unit.training.killed import killed_at

IDS = [f"image-{number:02d}" for number in range(36)]
# made from every train image, from two images of one fold each, of known and new antibodies, by networks of a fold, and from elsewhere
FROM_ALL = [{"Id": f"from-{image_id}", "sources": image_id} for image_id in IDS]
OTHERS = [
    *({"Id": f"group-{number}", "group": f"A{number}"} for number in range(12)),
    *({"Id": f"new-{number}", "group": f"new-{number}"} for number in range(4)),
    *({"Id": f"network-{fold}", "only_fold": str(fold)} for fold in range(3)),
    *({"Id": f"external-{number}"} for number in range(4)),
]
MODELS = {
    "torch": TINY + "extra: more\nrare: {below: 40, target: 45}\n",
    "metric": METRIC + "extra: more\nclassification: 0.5\n",
    "labels": METRIC + "extra: more\nidentity: labels\n",
    "keras": ALL_CNN.replace("epochs: 3", "epochs: 1") + "extra: more\n",
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, untouched):
    """The tiny competition with a fold map, extra rows, and a model of each kind that is trained on them."""
    root = shutil.copytree(untouched, tmp_path_factory.mktemp("extra"), dirs_exist_ok=True)
    make_extra_rows(root, FROM_ALL + OTHERS)
    for name, text in MODELS.items():
        (root / f"configs/models/{name}.yaml").write_text(text)
    return root


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    root = tmp_path_factory.mktemp("untouched")
    make_tiny_competition(root)
    assert Project(root).call("folds", "--competition", "tiny").returncode == 0
    return root


@pytest.fixture
def extra(prepared, tmp_path):
    return Project(shutil.copytree(prepared, tmp_path / "project"))


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    """Check Keras networks in this process: a new process needs ten seconds to load TensorFlow."""
    monkeypatch.setattr("comp.training.prepare.in_own_process", lambda function, *arguments: function(*arguments))


def fold(project, model="torch", *more, number=0):
    return project.call("fold", "--competition", "tiny", "--model", model, "--fold", str(number), *more)


def inputs_of(project, model="torch", number=0):
    with chdir(project.root):
        return FoldInputs.read(FoldJob("tiny", model, number))


def replaced(project, number, rows):
    """Other pixels and labels for all images that fold `number` holds out, and for the extra rows that were made with them."""
    generator = np.random.default_rng(99)
    held_out = {name for name, held in zip(rows.ids, rows.fold, strict=True) if held == number}
    groups = {group for group, held in zip(rows.group, rows.fold, strict=True) if held == number}
    group_of = dict(zip(rows.ids, rows.group, strict=True))
    tainted = {row["Id"] for row in FROM_ALL if row["sources"] in held_out or group_of[row["sources"]] in groups}
    tainted |= {row["Id"] for row in OTHERS if row.get("group") in groups or row.get("only_fold", str(number)) != str(number)}
    data = project.root / "data"
    for table, names in ((data / "tiny/train.csv", held_out), (data / "tiny.extra/more/extra.csv", tainted)):
        head, *lines = table.read_text().splitlines()
        cells = [line.split(",") for line in lines]
        for row in cells:
            if row[0] in names:
                row[1] = " ".join(sorted({"0", "1", "2"} - set(row[1].split())))
        table.write_text("\n".join([head, *map(",".join, cells)]) + "\n")
    for folder, names in ((data / "tiny/train", held_out), (data / "tiny.extra/more/images", tainted)):
        for name in names:
            for channel in CHANNELS:
                path = folder / f"{name}_{channel}.png"
                assert path.exists()
                cv2.imwrite(str(path), generator.integers(0, 256, (32, 32), dtype=np.uint8))
    return held_out, tainted


@pytest.mark.parametrize("model", list(MODELS))
def test_with_all_held_out_pixels_and_labels_replaced_no_bit_of_the_weights_changes(extra, tmp_path, model):
    other = Project(shutil.copytree(extra.root, tmp_path / "other"))
    held_out, tainted = replaced(other, 0, FoldMap.read(extra.root / "oof/tiny/folds.csv"))
    assert len(held_out) > 5
    assert len(tainted) > 10
    found = []
    for project in (extra, other):
        ended = fold(project, model)
        assert ended.returncode == 0, ended.stderr
        found.append(read_weights(project.root / f"oof/tiny/{model}/weights-0.safetensors", "").weights.tensors)
        said = re.search(rf"{model} fold 0 is also trained on (\d+) of the {len(FROM_ALL + OTHERS)} extra rows of more", ended.stdout)
        assert int(said[1]) == len(FROM_ALL + OTHERS) - len(tainted)
    assert found[0].keys() == found[1].keys()
    for name, values in found[0].items():
        assert values.tobytes() == found[1][name].tobytes(), name


def test_a_pixel_of_a_row_that_is_trained_on_changes_the_weights(extra):
    found = []
    for red in ("external-1", "external-2"):
        image = cv2.imread(str(extra.root / f"data/tiny.extra/more/images/{red}_red.png"), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(extra.root / "data/tiny.extra/more/images/external-1_red.png"), image)
        assert fold(extra, "torch", "--retrain").returncode == 0
        found.append(read_weights(extra.root / "oof/tiny/torch/weights-0.safetensors", "").weights.tensors)
    assert any(values.tobytes() != found[1][name].tobytes() for name, values in found[0].items())


def test_no_row_meets_a_fold_that_holds_its_source_and_none_is_predicted(extra):
    folds = FoldMap.read(extra.root / "oof/tiny/folds.csv")
    fold_of = dict(zip(folds.ids, folds.fold.tolist(), strict=True))
    for number in range(3):
        ended = fold(extra, "metric", "--set", "train.epochs=1", number=number)
        assert ended.returncode == 0, ended.stderr
        rows = inputs_of(extra, "metric", number).extra
        for row in rows.rows:
            assert all(fold_of[source] != number for source in rows.table.sources[row])
        assert 20 < len(rows.rows) < len(FROM_ALL + OTHERS)
    names = {row["Id"] for row in FROM_ALL + OTHERS}
    files = sorted((extra.root / "oof/tiny/metric").glob("*-0.parquet"))
    assert [file.name for file in files] == ["embeddings-0.parquet", "fold-0.parquet", "test-0.parquet"]
    for file in files[1:]:
        assert not names & set(read_predictions(file).ids)
    stacked = extra.call("stack", "--competition", "tiny", "--models", "metric", "--stack", "quick")
    assert stacked.returncode == 0, stacked.stderr
    assert "not checked" not in stacked.stdout
    record = json.loads((extra.root / "oof/tiny/metric/run-0.json").read_text())
    assert record["train_images"] + sum(folds.fold == 0) == 36
    assert record["extra_images"] == len(inputs_of(extra, "metric").extra.rows)


def test_the_network_sees_exactly_the_rows_that_it_may(extra):
    assert fold(extra, "torch", "--set", "train.epochs=1").returncode == 0
    inputs = inputs_of(extra)
    with chdir(extra.root):
        caches = inputs.images()
        data = fold_data(inputs, inputs.experiment, caches["train"].images, caches["extra-more"].images)
        batches = data.batches(inputs.experiment, 0)
        seen, labels = [], []
        for step in range(len(batches)):
            rows = batches.all_rows[batches.order(0)[step * 8 : step * 8 + 8]]
            seen += [data.ids[row] for row in rows]
            labels += batches.epoch(0)(step)[1].tolist()
    allowed = {data.ids[row] for row in data.train}
    assert set(seen) <= allowed
    assert len(set(seen)) > 50
    table = dict(zip(inputs.extra.table.ids, inputs.extra.table.labels.tolist(), strict=True))
    table |= dict(zip(inputs.tables.ids, inputs.tables.labels.tolist(), strict=True))
    assert labels == [[float(value) for value in table[name]] for name in seen]
    for name in ("from-image-03", "image-03"):
        row = data.ids.index(name)
        folder = "data/tiny.extra/more/images" if "from" in name else "data/tiny/train"
        red = cv2.imread(str(extra.root / folder / f"{name}_red.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(data.images[row][..., 0], red)


def test_rows_count_as_training_images_for_copies_of_rare_labels_and_for_the_start_of_the_last_layer(extra):
    assert fold(extra, "torch", "--set", "train.epochs=1").returncode == 0
    inputs = inputs_of(extra)
    trained = np.concatenate([inputs.labels[inputs.train_rows], inputs.extra.table.labels[inputs.extra.rows]])
    ended = extra.call("rare", "--competition", "tiny", "--models", "torch")
    assert ended.returncode == 0, ended.stderr
    for name, count in zip(("round", "bright", "striped"), trained.sum(axis=0), strict=True):
        assert re.search(rf"^{name} +{count} ", ended.stdout, re.MULTILINE), ended.stdout
    images = np.zeros((1, 32, 32, 4), np.uint8)
    data = fold_data(inputs, inputs.experiment, np.repeat(images, 36, axis=0), np.repeat(images, len(inputs.extra.table.ids), axis=0))
    np.testing.assert_allclose(data.prior(), (trained.sum(axis=0) + 0.5) / (len(trained) + 1))


def test_near_duplicates_of_held_out_images_are_held_back(extra):
    folds = FoldMap.read(extra.root / "oof/tiny/folds.csv")
    copied = next(name for name, number in zip(folds.ids, folds.fold, strict=True) if number == 0)
    for channel in CHANNELS:
        image = cv2.imread(str(extra.root / f"data/tiny/train/{copied}_{channel}.png"), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(extra.root / f"data/tiny.extra/more/images/external-0_{channel}.png"), image)
    ended = fold(extra, "torch", "--set", "train.epochs=1")
    assert "extra rows more: 1 pairs of an extra row and a train image are near-duplicates" in ended.stdout
    assert "1 held back (near-duplicates of held-out images)" in ended.stdout
    inputs = inputs_of(extra)
    assert "external-0" not in {inputs.extra.table.ids[row] for row in inputs.extra.rows}
    list_of_pairs = extra.root / "data/tiny.cache/extra-more-duplicates.json"
    assert json.loads(list_of_pairs.read_text())["pairs"] == [["external-0", copied]]
    before = list_of_pairs.read_text()
    yaml = extra.root / "configs/competitions/tiny.yaml"
    text = yaml.read_text()
    yaml.write_text(text.replace("count: 3", "count: 3, duplicates: false"))
    assert "was made with another table of extra rows" in extra.refused(fold(extra, "torch", "--set", "train.epochs=1"))
    yaml.write_text(text)
    for damaged in ("", "[]", '{"pairs": [["a"]], "made_from": null}'):
        list_of_pairs.write_text(damaged)
        assert "complete, nothing to do" in fold(extra, "torch", "--set", "train.epochs=1").stdout
        assert list_of_pairs.read_text() == before


def test_other_rows_or_pixels_are_noticed_and_nothing_is_overwritten(extra):
    assert fold(extra).returncode == 0
    path = extra.root / "oof/tiny/torch/fold-0.parquet"
    made = path.read_bytes()
    assert read_predictions(path).provenance.extra == inputs_of(extra).extra.table.fingerprint
    assert "complete, nothing to do" in fold(extra).stdout
    table, image = (extra.root / "data/tiny.extra/more" / name for name in ("extra.csv", "images/external-1_red.png"))
    lines, pixels = table.read_text(), image.read_bytes()
    table.write_text(lines.replace("from-image-03,", "from-image-03,0 1 2 ").replace("0 1 2 0", "0 1 2"))
    assert "torch fold 0 was made with another table of extra rows: keep both with AS=" in extra.refused(fold(extra))
    table.write_text(lines)
    cv2.imwrite(str(image), 255 - cv2.imread(str(image), cv2.IMREAD_UNCHANGED))
    assert "torch fold 0 was made with other images (1 extra-more image differs: external-1): keep" in extra.refused(fold(extra))
    image.write_bytes(pixels)
    assert "was made with extra=more, now None: keep both" in extra.refused(fold(extra, "torch", "--set", "extra=null"))
    assert path.read_bytes() == made
    assert "complete, nothing to do" in fold(extra).stdout


def test_a_stack_notices_other_pixels_of_extra_rows(extra):
    for number in range(3):
        assert fold(extra, "torch", "--set", "train.epochs=1", number=number).returncode == 0
    stack = ("stack", "--competition", "tiny", "--models", "torch", "--stack", "quick")
    assert extra.call(*stack).returncode == 0
    image = extra.root / "data/tiny.extra/more/images/external-1_red.png"
    cv2.imwrite(str(image), 255 - cv2.imread(str(image), cv2.IMREAD_UNCHANGED))
    assert "was made with other images than the present ones (1 extra-more image differs: external-1)" in extra.refused(extra.call(*stack))
    shutil.rmtree(extra.root / "data/tiny.extra")
    ended = extra.call(*stack)
    assert ended.returncode == 0, ended.stderr
    assert len([line for line in ended.stdout.splitlines() if "is not checked" in line]) == 1


def test_killed_and_started_again_it_ends_with_the_same_bytes(extra, tmp_path):
    other = Project(shutil.copytree(extra.root, tmp_path / "other"))
    assert fold(extra).returncode == 0
    with killed_at(5), chdir(other.root):
        fold(other, "torch", "--checkpoint-minutes", "0")
    assert (other.root / "runs/tiny/torch/fold-0/checkpoint.torch").exists()
    assert fold(other).returncode == 0
    for name in ("fold-0.parquet", "test-0.parquet", "weights-0.safetensors"):
        assert (other.root / "oof/tiny/torch" / name).read_bytes() == (extra.root / "oof/tiny/torch" / name).read_bytes()


def test_a_model_without_extra_rows_is_what_it_was(extra, untouched, tmp_path):
    plain = Project(shutil.copytree(untouched, tmp_path / "plain"))
    for project in (plain, extra):
        assert fold(project, "tiny").returncode == 0
    for file in sorted((plain.root / "oof/tiny/tiny").glob("*.*")):
        if file.suffix in (".parquet", ".safetensors", ".yaml"):
            assert b"extra" not in file.read_bytes()
            assert file.read_bytes() == (extra.root / "oof/tiny/tiny" / file.name).read_bytes()


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        ("tiny", "extra=others", "there is no data/tiny.extra/others/extra.csv: choose one of: more; or put a table and images there"),
        ("tiny", "extra=../tiny", "is no name of a set of extra rows"),
        ("tiny", "extra=[more]", "extra = ['more'] does not fit"),
        ("cascade", "extra=more", "a cascade needs embeddings of all images that it is trained on, and extra rows have none"),
    ],
)
def test_what_cannot_be_is_one_line(extra, model, settings, said):
    (extra.root / "configs/models/cascade.yaml").write_text(CASCADE.replace("[near, nearer]", "[metric]"))
    assert said in extra.refused(fold(extra, model, "--set", settings))


def test_missing_images_are_named(extra):
    (extra.root / "data/tiny.extra/more/images/external-1_red.png").unlink()
    line = extra.refused(fold(extra))
    assert "external-1_red.* is missing" in line
    assert line.endswith("replace them by undamaged files or remove their rows from the table, then type the command again")


def test_a_plan_counts_them_and_a_cluster_gets_them(extra):
    assert fold(extra, "torch", "--set", "train.epochs=1").returncode == 0
    with chdir(extra.root):
        names = set(shared_files(FoldJob("tiny", "torch", 0)))
    assert {
        "data/tiny.extra/more/extra.csv",
        "data/tiny.cache/extra-more-duplicates.json",
        "data/tiny.cache/extra-more-32/images.u8",
    } <= names
    assert not [name for name in names if Path(name).suffix == ".png"]
    shutil.rmtree(extra.root / "data/tiny.cache")
    ended = extra.call("plan", "--competition", "tiny", "--model", "torch", "--workers", "1", "--set", "rare=null")
    assert ended.returncode == 0, ended.stderr
    trained = len(inputs_of_plan(extra))
    assert re.search(rf"{trained // 8 * 3} steps of 8 images", ended.stdout), ended.stdout
    assert f"{36 + 6 + len(FROM_ALL + OTHERS)} images at 32 px" in ended.stdout


def inputs_of_plan(project):
    """The rows that fold 0 is trained on, by the fold map and the table alone: none is a near-duplicate."""
    rows = FoldMap.read(project.root / "oof/tiny/folds.csv")
    held_out = set(np.array(rows.ids)[rows.fold == 0])
    groups = set(np.array(rows.group)[rows.fold == 0])
    group_of = dict(zip(rows.ids, rows.group, strict=True))
    kept = [name for name in rows.ids if name not in held_out]
    kept += [row["Id"] for row in FROM_ALL if row["sources"] not in held_out and group_of[row["sources"]] not in groups]
    return kept + [row["Id"] for row in OTHERS if row.get("group") not in groups and row.get("only_fold", "0") == "0"]
