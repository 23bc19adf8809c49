"""What the images of a model were: kept in a file, compared with the present ones, and never in the way if the file is damaged."""

import random
from dataclasses import replace

import pytest

from comp.base.paths import Paths
from comp.predictions.image_identity import ImageIdentity, changes, read_identity

GENERATOR = random.Random(0)
KNOWN = {
    "train": {f"plate/{number}": GENERATOR.getrandbits(64) for number in range(40)},
    "test": {f"t{number}": 2**64 - 1 - number for number in range(9)},
}
IDENTITY = ImageIdentity(256, ("red", "green"), (0.0, 4095.0), KNOWN)


def with_checksum(split, image_id, value):
    return replace(IDENTITY, checksums={**KNOWN, split: {**KNOWN[split], image_id: value}})


def test_it_is_kept_and_read_and_equal_ones_are_equal_bytes(tmp_path):
    paths = Paths("tiny", tmp_path)
    assert read_identity(paths, IDENTITY.hash) is None
    IDENTITY.keep(paths)
    assert read_identity(paths, IDENTITY.hash) == IDENTITY
    file = tmp_path / f"oof/tiny/images-{IDENTITY.hash}.parquet"
    before = file.read_bytes()
    file.unlink()
    shuffled = {split: dict(sorted(known.items(), reverse=True)) for split, known in KNOWN.items()}
    replace(IDENTITY, checksums=shuffled).keep(paths)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (IDENTITY, ""),
        (with_checksum("train", "plate/3", 5), "1 train image differs: plate/3"),
        (with_checksum("test", "t4", 5), "1 test image differs: t4"),
        (with_checksum("test", "new", 5), "1 test image differs: new"),
        (replace(IDENTITY, channels=("green", "red")), "channels before: red, green; now: green, red"),
        (replace(IDENTITY, channels=("red",)), "channels before: red, green; now: red"),
        (replace(IDENTITY, levels=None), "levels before: 0.0, 4095.0; now: None"),
        (replace(IDENTITY, checksums={**KNOWN, "test": {}}), "9 test images differ: t0, t1, t2, ..."),
    ],
)
def test_changes_are_named_and_change_the_hash(now, said):
    assert changes(IDENTITY, now) == said
    if now.checksums != IDENTITY.checksums or now.channels != IDENTITY.channels:
        assert now.hash != IDENTITY.hash


def test_a_damaged_or_foreign_file_counts_as_absent_and_is_written_again(tmp_path):
    paths = Paths("tiny", tmp_path)
    IDENTITY.keep(paths)
    file = tmp_path / f"oof/tiny/images-{IDENTITY.hash}.parquet"
    whole = file.read_bytes()
    other = with_checksum("train", "plate/3", 5)
    other.keep(paths)
    foreign = (tmp_path / f"oof/tiny/images-{other.hash}.parquet").read_bytes()
    for content in (b"", whole[:100], b"[1, 2]", bytes(range(256)), foreign):
        file.write_bytes(content)
        assert read_identity(paths, IDENTITY.hash) is None
        IDENTITY.keep(paths)
        assert file.read_bytes() == whole
    file.unlink()
    file.mkdir()
    assert read_identity(paths, IDENTITY.hash) is None
