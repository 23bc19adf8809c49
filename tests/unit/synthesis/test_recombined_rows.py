"""Recombined rows of a fold: their sources, their labels, how many there are, and the images that are drawn of them."""

import numpy as np
import pytest

from comp.competition.experiments.experiment import RareLabels
from comp.competition.extra_rows import ExtraRows
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.folds.train_only_rows import TrainOnlyRows
from comp.synthesis.deformation import Deformation, deformed
from comp.synthesis.recombined_rows import MOST_DONORS, STREAM, Recombiner, recombined_rows
from comp.synthesis.synthetic_row import BATCH, in_batches

COUNT, CLASSES = 300, 6
GENERATOR = np.random.default_rng(0)
IDS = tuple(f"t{number}" for number in range(COUNT))
LABELS = GENERATOR.random((COUNT, CLASSES)) < np.array([0.6, 0.4, 0.2, 0.05, 0.04, 0.0])
FOLDS = FoldMap(IDS, GENERATOR.integers(-1, 4, COUNT).astype(np.int8), tuple(f"g{number}" for number in GENERATOR.integers(0, 200, COUNT)))
RARE = RareLabels(below=20, target=30)


def rows_of(fold, labels=LABELS, seed=0):
    return recombined_rows("mixed", FOLDS, labels, RARE, fold, seed)


@pytest.mark.parametrize("fold", range(4))
def test_sources_are_training_images_of_the_fold_with_exactly_these_labels(fold):
    rows, place = rows_of(fold), {image_id: row for row, image_id in enumerate(IDS)}
    assert len(rows) > 30
    held_groups = {group for group, number in zip(FOLDS.group, FOLDS.fold, strict=True) if number in (fold, HOLDOUT)}
    for row in rows:
        assert 1 <= len(set(row.sources)) == len(row.sources) <= 1 + MOST_DONORS
        for source in row.sources:
            assert FOLDS.fold[place[source]] not in (fold, HOLDOUT)
            assert FOLDS.group[place[source]] not in held_groups
            assert tuple(np.flatnonzero(LABELS[place[source]])) == row.labels
    assert len({row.id for row in rows}) == len(rows)


def test_most_rows_have_donors_where_there_are_some():
    rows = [row for fold in range(4) for row in rows_of(fold)]
    alike = {}
    for image, row in zip(IDS, LABELS, strict=True):
        alike.setdefault(tuple(np.flatnonzero(row)), []).append(image)
    assert sum(len(row.sources) > 1 for row in rows) > 5
    for row in rows:
        assert len(row.sources) <= len(alike[row.labels])


@pytest.mark.parametrize("fold", range(4))
def test_every_row_trains_its_fold_and_no_other(fold):
    rows = [row for each in range(4) for row in rows_of(each)]
    columns = [[row.id for row in rows], np.zeros((len(rows), CLASSES), bool), [row.sources for row in rows], [""] * len(rows)]
    table = ExtraRows("mixed", tuple(columns[0]), columns[1], tuple(columns[2]), tuple(columns[3]), tuple(row.only_fold for row in rows))
    kept = TrainOnlyRows.of(table, FOLDS, fold, [])
    assert [table.ids[row] for row in kept.rows] == [row.id for row in rows_of(fold)]


def test_rare_labels_come_up_to_the_target():
    before = LABELS[FOLDS.trained_on(0)].sum(axis=0)
    added = np.zeros(CLASSES, int)
    for row in rows_of(0):
        added[list(row.labels)] += 1
    rare = (before > 0) & (before < RARE.below)
    assert rare.tolist() == [False, False, False, True, True, False]
    assert (before + added)[rare].min() == RARE.target  # the one that is filled up last: its rows add nothing to others
    assert before[5] == added[5] == 0


def test_held_out_labels_decide_nothing():
    changed = LABELS.copy()
    held = np.isin(FOLDS.fold, (0, HOLDOUT))
    changed[held] = ~changed[held]
    assert rows_of(0, changed) == rows_of(0)
    assert rows_of(0, seed=1) != rows_of(0)


GREEN = GENERATOR.integers(0, 256, (COUNT, 32, 32), dtype=np.uint8)


def darkened(green):
    return np.stack([green // 2, green // 3, green // 4], axis=-1)


def recombiner(seen, references, drawn=darkened):
    """With stand-ins for the two networks: quarters as cells, and references that are `drawn` of the protein channel.

    Args:
        references: (COUNT, 32, 32, 3) of the train images.
    """
    images = np.insert(references, 1, GREEN, axis=-1)
    quarters = np.kron([[1, 2], [3, 4]], np.ones((12, 12))).astype(np.uint16)

    def cells_of(image_id):
        seen.append(image_id)
        return np.pad(quarters, 4)

    def draw_references(green):
        assert green.dtype == np.uint8
        return drawn(green)

    return Recombiner(images, IDS, 1, cells_of, draw_references)


def test_channels_are_in_the_competitions_order_and_images_do_not_depend_on_what_was_drawn_before():
    seen = []
    rows = rows_of(0)[: BATCH + 4]
    drawer, batches = recombiner(seen, darkened(GREEN)), list(in_batches(rows))
    assert list(map(len, batches)) == [BATCH, 4]
    first, second = drawer.draw(batches)
    assert first.shape == (BATCH, 32, 32, 4)
    assert first.dtype == np.uint8
    for channel, share in ((0, 2), (2, 3), (3, 4)):
        np.testing.assert_array_equal(first[..., channel], first[..., 1] // share)
    assert len(seen) == len(set(seen))  # each image is segmented once
    (alone,) = drawer.draw(batches[1:])
    assert alone.tobytes() == second.tobytes()
    assert len({image[..., 1].tobytes() for image in first}) == BATCH


def test_what_the_network_cannot_draw_follows_the_first_source():
    references = GENERATOR.integers(60, 120, (COUNT, 32, 32, 3), dtype=np.uint8)
    rows = rows_of(0)[:BATCH]
    blind = recombiner([], references, lambda green: np.zeros((*green.shape, 3), np.uint8))
    (images,) = blind.draw([rows])
    for row, image in zip(rows, images, strict=True):
        cells = np.pad(np.kron([[1, 2], [3, 4]], np.ones((12, 12))).astype(np.uint16), 4)
        real = references[IDS.index(row.sources[0])].astype(np.float32)
        bent, _ = deformed(real, cells, Deformation(), np.random.default_rng([*row.seed, STREAM]))
        np.testing.assert_array_equal(np.delete(image, 1, axis=-1), np.rint(bent))
    brighter = recombiner([], references, lambda green: np.full((*green.shape, 3), 40, np.uint8))
    (same,) = brighter.draw([rows])
    assert np.abs(same.astype(int) - images).max() <= 1  # a constant that is drawn everywhere changes nothing but rounding


def test_residuals_stay_within_grey_values():
    bright = recombiner([], np.full((COUNT, 32, 32, 3), 255, np.uint8), lambda green: (green // 2)[..., None].repeat(3, axis=-1))
    (images,) = bright.draw([rows_of(0)[:BATCH]])
    assert images[..., 0].mean() > 150
    assert images[..., 0].max() == 255


def test_batches_never_mix_folds():
    rows = [row for fold in range(4) for row in rows_of(fold)]
    batches = list(in_batches(rows))
    assert [row for batch in batches for row in batch] == rows
    assert all(len({row.only_fold for row in batch}) == 1 for batch in batches)
    assert max(map(len, batches)) == BATCH
