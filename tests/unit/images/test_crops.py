"""The crop cache and its bags, against plain lists of arrays."""

import numpy as np
import pytest

from comp.images.bags import CropPlan
from comp.images.crops import CROPS, INDEX, CropContent, Crops, open_crops, write_crops

PLAN = CropPlan(4, 3, 2.0)
GENERATOR = np.random.default_rng(0)
COUNTS = (2, 0, 3, 1)
EACH = [Crops(np.arange(1, count + 1, dtype=np.int32), GENERATOR.integers(1, 256, (count, 4, 4, 2), np.uint8)) for count in COUNTS]
CONTENT = CropContent(PLAN, tuple("abcd"), ("red", "blue"), None, np.arange(1, 5, dtype=np.uint64))


@pytest.fixture
def written(tmp_path):
    write_crops(tmp_path / "crops", CONTENT, "f00d", iter(EACH))
    return open_crops(tmp_path / "crops")


def test_bags_hold_each_image_s_crops_then_nothing(written):
    bags = written.images
    assert bags.shape == (4, 3, 4, 4, 2)
    for row, crops in enumerate(EACH):
        expected = np.zeros((3, 4, 4, 2), np.uint8)
        expected[: len(crops.pixels)] = crops.pixels
        np.testing.assert_array_equal(bags[row], expected)
    rows = np.array([3, 1, 0, 3])
    np.testing.assert_array_equal(bags[rows], np.stack([bags[row] for row in rows]))
    np.testing.assert_array_equal(bags[np.array([True, False, True, False])], np.stack([bags[0], bags[2]]))
    np.testing.assert_array_equal(written.cells[bags.places(rows)], [1, 1, 2, 1])
    np.testing.assert_array_equal(bags.in_use(rows).sum(axis=1), [1, 0, 2, 1])


def test_features_in_the_place_of_crops(written):
    features = GENERATOR.random((6, 5)).astype(np.float16)
    bags = written.images.with_items(features)
    assert bags.shape == (4, 3, 5)
    found = bags[np.array([2, 1])]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, [features[2:5], np.zeros((3, 5))])


def test_what_is_known_of_a_cache_and_whether_it_is_up_to_date(written):
    assert (written.ids, written.channels, written.levels, written.segmenter) == (("a", "b", "c", "d"), ("red", "blue"), None, "f00d")
    assert written.is_whole()
    assert CONTENT.is_in(written)
    assert not CONTENT.is_in(None)
    for other in ({"plan": CropPlan(4, 3, 2.5)}, {"stamps": np.arange(4, dtype=np.uint64)}, {"channels": ("blue", "red")}, {"ids": "abce"}):
        assert not CropContent(**{**CONTENT.__dict__, **other}).is_in(written)


def test_damage_is_noticed(written):
    data = bytearray((written.folder / CROPS).read_bytes())
    data[50] ^= 1
    (written.folder / CROPS).write_bytes(data)
    assert not open_crops(written.folder).is_whole()
    (written.folder / CROPS).write_bytes(data[:-1])
    assert open_crops(written.folder) is None
    (written.folder / CROPS).write_bytes(data)
    (written.folder / INDEX).write_text("{")
    assert open_crops(written.folder) is None
    assert open_crops(written.folder / "elsewhere") is None
