import numpy as np
import pytest

from comp.base.errors import ConfigError
from comp.base.schema import parse
from comp.competition.experiments.experiment import RareLabels
from comp.images.rare_copies import copies


def drawn(seed: int) -> np.ndarray:
    """Labels (N, 12) from frequent to very rare, several a row; some columns without an image."""
    generator = np.random.default_rng(seed)
    return generator.random((200, 12)) < generator.permutation(0.5 ** np.arange(1, 13))


def counts(labels: np.ndarray, added: np.ndarray) -> np.ndarray:
    return labels.sum(axis=0) + labels[added].sum(axis=0)


def slowly(labels: np.ndarray, below: int, target: int, generator: np.random.Generator) -> list[int]:
    """The rule word by word: every count from the list of images anew, every candidate tried."""
    before = [sum(column) for column in labels.T.tolist()]
    added: list[int] = []

    def after(label: int) -> int:
        return sum(bool(labels[row, label]) for row in [*range(len(labels)), *added])

    for label in sorted(range(len(before)), key=lambda label: before[label]):
        if not 0 < before[label] < below:
            continue
        images = generator.permutation([row for row in range(len(labels)) if labels[row, label]]).tolist()
        while after(label) < target:
            squares = {}
            for row in images:
                squares[row] = sum((after(other) + bool(labels[row, other])) ** 2 - after(other) ** 2 for other in range(len(before)))
                squares[row] -= sum(labels[row])  # (n + 1)^2 - n^2 is 2n + 1
            added.append(min(images, key=lambda row: (added.count(row), squares[row])))
    return sorted(added)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("below", "target"), [(20, 20), (8, 40), (30, 10), (1000, 60)])
def test_every_rare_label_reaches_its_target_and_no_copy_is_made_without_one(seed, below, target):
    labels = drawn(seed)
    before, added = labels.sum(axis=0), copies(labels, below, target, np.random.default_rng(seed))
    rare = (before > 0) & (before < below)
    assert (counts(labels, added)[rare] >= target).all()
    assert labels[added][:, rare].any(axis=1).all()
    assert len(added) <= np.maximum(target - before[rare], 0).sum()
    assert (counts(labels, added)[before == 0] == 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_rule_word_by_word(seed):
    labels = drawn(seed)[:60]
    assert copies(labels, 9, 12, np.random.default_rng(seed)).tolist() == slowly(labels, 9, 12, np.random.default_rng(seed))


def test_images_of_one_label_are_copied_in_turn_up_to_the_target_and_no_further():
    labels = np.zeros((40, 3), bool)
    labels[:4, 0], labels[4:13, 1], labels[13:, 2] = True, True, True
    added = copies(labels, 10, 15, np.random.default_rng(0))
    assert counts(labels, added).tolist() == [15, 15, 27]
    times = np.bincount(added, minlength=40)
    assert set(times[:4]) == {2, 3}
    assert set(times[4:13]) == {0, 1}


def test_images_without_frequent_labels_are_preferred():
    labels = np.zeros((100, 2), bool)
    labels[:10, 0], labels[5:, 1] = True, True
    added = copies(labels, 20, 15, np.random.default_rng(0))
    assert sorted(added) == [0, 1, 2, 3, 4]
    assert counts(labels, added).tolist() == [15, 95]


def test_a_copy_counts_for_all_labels_of_its_image():
    labels = np.zeros((50, 3), bool)
    labels[:3, :2], labels[3:, 2] = True, True
    assert counts(labels, copies(labels, 10, 12, np.random.default_rng(0))).tolist() == [12, 12, 47]


@pytest.mark.parametrize("seed", range(10))
def test_the_seed_alone_decides(seed):
    labels = drawn(seed)
    one, again = (copies(labels, 20, 25, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert any(len(copies(labels, 20, 25, np.random.default_rng(other))) for other in range(3))


@pytest.mark.parametrize("labels", [np.ones((30, 2), bool), np.zeros((30, 2), bool), np.zeros((0, 2), bool)])
def test_nothing_rare_nothing_copied(labels):
    added = copies(labels, 20, 20, np.random.default_rng(0))
    assert (len(added), added.dtype) == (0, np.int64)


def test_a_label_that_has_its_target_is_left_alone():
    labels = np.zeros((30, 1), bool)
    labels[:12] = True
    assert len(copies(labels, 20, 10, np.random.default_rng(0))) == 0


def test_copies_keep_their_brightness_unless_the_yaml_says_otherwise():
    assert RareLabels(below=20, target=20).augmentation == {"name": "affine", "gain": 0, "gamma": 0}


def test_a_target_below_the_threshold_is_refused():
    with pytest.raises(ConfigError, match=r"target \(10\) is less than below \(20\)"):
        parse(RareLabels, {"below": 20, "target": 10}, "a file")


def test_only_rows_that_may_be_copied_are():
    labels = np.random.default_rng(0).random((200, 6)) < 0.08
    labels[:, 5] = False
    labels[0, 5] = True
    may = np.arange(200) % 3 == 1
    found = copies(labels, 30, 40, np.random.default_rng(1), may)
    assert may[found].all()
    assert ((labels.sum(axis=0) + labels[found].sum(axis=0))[:5] >= 40).all()
    assert labels[found][:, 5].sum() == 0  # its only row must not be copied
    every = copies(labels, 30, 40, np.random.default_rng(1), np.ones(200, bool))
    assert every.tolist() == copies(labels, 30, 40, np.random.default_rng(1)).tolist()
