"""Models made with other images, channels, classes or settings than the present ones: the stack says what changed, and what to type."""

import re
import shutil

import cv2
import pytest

from comp.base.paths import Paths
from comp.competition.competition import load_competition
from comp.competition.image_cache import SPLITS, prepare_cache
from comp.predictions.image_identity import ImageIdentity, changes, read_identity
from comp.predictions.prediction_file import read_predictions
from comp.training import torch_trainer

STACK = ("stack", "--competition", "tiny", "--models", "tiny", "--stack", "quick")
EPOCH = ("--set", "train.epochs=1")


def identity(root):
    competition, paths = load_competition("tiny", root), Paths("tiny", root)
    return ImageIdentity.of({split: prepare_cache(competition, paths, split, 32) for split in SPLITS})


def brighter(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), 255 - image)


def reorder(root, channels="[green, red, blue, yellow]"):
    path = root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text() + f"images: {{channels: {channels}}}\n")


def test_every_file_says_which_images_it_was_made_with(made):
    expected = identity(made.root).hash
    files = sorted((made.root / "oof/tiny/tiny").glob("*.parquet"))
    assert len(files) == 6
    assert {read_predictions(file).provenance.images for file in files} == {expected}
    kept = read_identity(Paths("tiny", made.root), expected)
    assert kept == identity(made.root)
    assert kept.channels == ("red", "green", "blue", "yellow")


def test_the_same_images_copied_again_are_the_same(made):
    for path in sorted((made.root / "data/tiny").rglob("*.png")):
        path.write_bytes(path.read_bytes())
    ended = made.call(*STACK)
    assert ended.returncode == 0, ended.stderr
    assert "made with other images" not in ended.stdout
    assert "not checked" not in ended.stdout


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["train/image-03_green.png"], "1 train image differs: image-03"),
        (["test/image-40_red.png"], "1 test image differs: image-40"),
        (
            ["train/image-03_red.png", "train/image-05_red.png", "test/image-41_red.png"],
            "2 train images differ: image-03, image-05; 1 test ",
        ),
    ],
)
def test_replaced_images_are_named_by_the_stack(made, files, said):
    for file in files:
        brighter(made.root / "data/tiny" / file)
    line = made.refused(made.call(*STACK))
    assert "oof/tiny/tiny/" in line
    assert f"was made with other images than the present ones ({said}" in line
    assert re.search(r"put the earlier ones back, or make it again: make model COMP=tiny MODEL=tiny RETRAIN=1", line)


def test_reordered_channels_are_named_by_the_stack_without_reading_images(made):
    reorder(made.root)
    line = made.refused(made.call(*STACK))
    assert "(channels before: red, green, blue, yellow; now: green, red, blue, yellow)" in line


def test_renamed_classes_are_named_by_the_stack(made):
    path = made.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("[round, bright, striped]", "[bright, round, striped]"))
    line = made.refused(made.call(*STACK))
    assert "fold-0.parquet has the class 'round' where the competition has 'bright'" in line


@pytest.mark.parametrize("lost", ["data/tiny/train", "data/tiny.cache"])
def test_without_images_or_their_cache_nothing_is_checked_and_one_line_says_so(made, lost):
    shutil.rmtree(made.root / lost)
    ended = made.call(*STACK)
    assert ended.returncode == 0, ended.stderr
    assert len([line for line in ended.stdout.splitlines() if "is not checked" in line]) == 1


def test_without_the_list_of_its_images_one_line_says_so(made):
    for path in (made.root / "oof/tiny").glob("images-*.parquet"):
        path.write_bytes(b"damaged")
    ended = made.call(*STACK)
    assert ended.returncode == 0, ended.stderr
    assert len([line for line in ended.stdout.splitlines() if "is not checked" in line]) == 1


def test_files_of_earlier_versions_are_taken(made):
    for path in (made.root / "oof/tiny/tiny").glob("*.parquet"):
        found = read_predictions(path)
        type(found)(found.ids, found.fold, found.logits, found.provenance.model_copy(update={"images": None})).write(path)
    brighter(made.root / "data/tiny/train/image-03_green.png")
    assert made.call(*STACK).returncode == 0


def test_a_yaml_that_changed_since_training_is_said(made):
    said = [line for line in made.call(*STACK).stdout.splitlines() if line.startswith("note: tiny was trained with")]
    assert said == [
        "note: tiny was trained with train.epochs=1, now 3 (its YAML has changed, or SET was used); the stack takes it as it was trained"
    ]
    path = made.root / "configs/models/tiny.yaml"
    path.write_text(path.read_text().replace("epochs: 3", "epochs: 1"))
    assert "was trained with" not in made.call(*STACK).stdout
    path.write_text(path.read_text() + "tta: 4\nseed: 3\n")
    assert "note: tiny was trained with seed=0, now 3, tta=1, now 4 (" in made.call(*STACK).stdout
    (made.root / "oof/tiny/tiny/experiment.yaml").write_bytes(b"\0\1")
    said = [line for line in made.call(*STACK).stdout.splitlines() if line.startswith("note: tiny was trained with")]
    assert len(said) == 1
    assert "experiment.yaml" in said[0]


def test_changes_are_named(made):
    before = identity(made.root)
    assert changes(before, before) == ""
    brighter(made.root / "data/tiny/train/image-07_blue.png")
    after = identity(made.root)
    assert changes(before, after) == "1 train image differs: image-07"
    assert after.hash != before.hash


FOLD = ("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", *EPOCH)


def test_a_fold_made_with_other_images_is_kept_and_says_which(made):
    assert "complete, nothing to do" in made.call(*FOLD).stdout
    path = made.root / "oof/tiny/tiny/fold-0.parquet"
    before = path.read_bytes()
    brighter(made.root / "data/tiny/train/image-03_green.png")
    line = made.refused(made.call(*FOLD))
    assert "tiny fold 0 was made with other images (1 train image differs: image-03): keep both with AS=tiny-epochs1, replace" in line
    assert path.read_bytes() == before
    ended = made.call(*FOLD, "--retrain")
    assert "tiny fold 0 was made with other images (1 train image differs: image-03); training again" in ended.stdout
    assert path.read_bytes() != before
    assert read_predictions(path).provenance.images == identity(made.root).hash
    assert "complete, nothing to do" in made.call(*FOLD).stdout


def test_a_fold_made_with_other_channels_or_classes_is_kept_and_says_which(made):
    reorder(made.root)
    said = made.refused(made.call(*FOLD))
    assert "made with other images (channels before: red, green, blue, yellow; now: green, red, blue, yellow): keep both" in said
    path = made.root / "configs/competitions/tiny.yaml"
    path.write_text(path.read_text().replace("[round, bright, striped]", "[bright, round, striped]"))
    said = made.refused(made.call(*FOLD))
    assert "tiny fold 0 was made with classes round, bright, striped, now bright, round, striped: keep both" in said


def test_the_cache_is_verified_when_a_fold_starts(made):
    (made.root / "oof/tiny/tiny/fold-0.parquet").unlink()
    identity(made.root)  # copied files are read once more
    cache = made.root / "data/tiny.cache/train-32/images.u8"
    pixels = bytearray(cache.read_bytes())
    pixels[3 * 32 * 32 * 4 + 100] ^= 64
    cache.write_bytes(pixels)
    ended = made.call(*FOLD)
    assert ended.returncode == 0, ended.stderr
    assert "data/tiny.cache/train-32: 1 images are damaged (image-03) and are read again" in ended.stdout
    pixels[3 * 32 * 32 * 4 + 100] ^= 64
    assert cache.read_bytes() == bytes(pixels)


def test_an_image_replaced_during_training_is_named_and_nothing_is_written(made, monkeypatch):
    """The trained network is kept in the checkpoint: with the earlier image back, the fold is written without training again."""
    for path in (made.root / "oof/tiny/tiny").glob("*-0.*"):
        path.rename(made.root / path.name)
    image = made.root / "data/tiny/train/image-03_green.png"
    whole, first = image.read_bytes(), torch_trainer.train

    def meanwhile(*arguments):
        trained = first(*arguments)
        brighter(image)
        return trained

    monkeypatch.setattr(torch_trainer, "train", meanwhile)
    line = made.refused(made.call(*FOLD))
    assert "images were replaced while tiny fold 0 was trained (1 train image differs: image-03), so nothing was written" in line
    assert not list((made.root / "oof/tiny/tiny").glob("*-0.*"))
    monkeypatch.undo()
    image.write_bytes(whole)
    ended = made.call(*FOLD)
    assert ended.returncode == 0, ended.stderr
    assert (made.root / "oof/tiny/tiny/fold-0.parquet").read_bytes() == (made.root / "fold-0.parquet").read_bytes()


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b'{"experiment": 3}', b"\0\xff", b"[" * 5000, b'{"experiment"', None])
def test_a_damaged_record_does_not_cost_a_complete_fold(made, content):
    path = made.root / "oof/tiny/tiny/run-0.json"
    path.unlink()
    if content is None:
        path.mkdir()
        assert "oof/tiny/tiny/run-0.json is a folder, and a file is to be written there" in made.refused(made.call(*FOLD))
        return
    path.write_bytes(content)
    ended = made.call(*FOLD)
    assert ended.returncode == 0, ended.stderr
    assert "oof/tiny/tiny/run-0.json is damaged" in ended.stdout
    assert "complete, nothing to do" in ended.stdout
    assert "tiny fold 0 was made with other settings: keep both with AS=" in made.refused(made.call(*FOLD[:-1], "train.epochs=2"))


@pytest.mark.parametrize("name", ["fold-0.parquet", "test-0.parquet", "experiment.yaml"])
def test_a_folder_in_the_place_of_a_file_is_named_before_any_training(made, name):
    path = made.root / "oof/tiny/tiny" / name
    path.unlink()
    path.mkdir()
    line = made.refused(made.call(*FOLD))
    assert f"oof/tiny/tiny/{name} is a folder, and a file is to be written there: remove it, then type the command again" in line


def test_a_file_in_the_place_of_the_models_folder_is_named_before_any_training(made):
    shutil.rmtree(made.root / "oof/tiny/tiny")
    (made.root / "oof/tiny/tiny").write_text("")
    assert "oof/tiny/tiny is a file, and the model needs a folder there" in made.refused(made.call(*FOLD))
