"""Two stacks of images read as one, and near-duplicates between them, against the arrays and the pairs of all."""

import numpy as np
import pytest

from comp.images.duplicates import find_duplicates, find_duplicates_between
from comp.images.input_channels import InputChannels, statistics
from comp.images.joined_images import JoinedImages

GENERATOR = np.random.default_rng(0)
FIRST = GENERATOR.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
SECOND = GENERATOR.integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
BOTH = np.concatenate([FIRST, SECOND])


@pytest.mark.parametrize(
    "rows", [0, 9, -1, slice(5, 9), [9, 0, 7, 6, 7], [1, 2], [8], [], np.arange(10) % 2 == 0, np.array([7, 9]), slice(None)], ids=str
)
def test_rows_are_those_of_one_array(rows):
    rows = np.array(rows, np.int64) if isinstance(rows, list) else rows
    joined = JoinedImages(FIRST, SECOND)
    assert len(joined) == 10
    assert joined.shape == BOTH.shape
    found = joined[rows]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, BOTH[rows])


def test_rows_that_are_not_there_and_images_of_other_sizes_are_errors():
    with pytest.raises(IndexError):
        JoinedImages(FIRST, SECOND)[[10]]
    with pytest.raises(ValueError, match="cannot be joined"):
        JoinedImages(FIRST, SECOND[:, :2])


def test_statistics_of_some_rows_are_those_of_these_rows_alone():
    rows, channels = np.array([8, 1, 3]), InputChannels((0, 2))
    for some, alone in zip(statistics(BOTH, channels, among=rows), statistics(BOTH[rows], channels), strict=True):
        np.testing.assert_array_equal(some, alone)


def test_near_duplicates_between_two_stacks_are_the_pairs_of_all_that_cross():
    generator = np.random.default_rng(1)
    fields = np.kron(generator.integers(0, 200, (12, 16, 16, 2)), np.ones((1, 5, 5, 1))).astype(np.uint8)
    retaken = np.clip(fields[:4, 2:78, 1:77] * 0.9 + generator.normal(0, 3, (4, 76, 76, 2)), 0, 255).astype(np.uint8)
    others = np.concatenate([fields[:6, :76, :76], np.zeros((1, 76, 76, 2), np.uint8)])
    found = find_duplicates_between(retaken, ["a", "b", "c", "d"], others, [f"t{number}" for number in range(7)])
    assert list(zip(found["id_a"], found["id_b"], strict=True)) == [("a", "t0"), ("b", "t1"), ("c", "t2"), ("d", "t3")]
    every = find_duplicates(np.concatenate([retaken, others]), [*"abcd", *(f"t{number}" for number in range(7))])
    crossing = every[every["id_a"].isin([*"abcd"]) & ~every["id_b"].isin([*"abcd"])]
    assert found.to_numpy().tolist() == crossing.to_numpy().tolist()
