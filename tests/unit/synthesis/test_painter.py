"""The painter: rows for rare labels, images of the practice competition's own drawing code, the same in any number of processes."""

import numpy as np
import pytest

from comp.base.errors import ConfigError
from comp.competition.competition import load_competition
from comp.competition.experiments.experiment import RareLabels
from comp.images.rare_copies import copies
from comp.practice.catalogue import STRUCTURES
from comp.practice.tables import PracticeSpec, draw_tables
from comp.synthesis.painter import Painter, painted, painted_rows
from comp.synthesis.synthetic_row import SyntheticRow
from tests.conftest import REPOSITORY

PRACTICE = load_competition("practice", REPOSITORY)
GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.random((120, 28)) < GENERATOR.uniform(0.01, 0.3, 28)


def test_rare_labels_come_up_to_the_target_with_the_label_sets_of_the_table():
    rare = RareLabels(below=12, target=15)
    rows = painted_rows("painted", LABELS, rare, 3)
    count = LABELS.sum(axis=0)
    sets = {tuple(np.flatnonzero(row).tolist()) for row in LABELS}
    assert all(row.labels in sets for row in rows)
    for row in rows:
        count[list(row.labels)] += 1
    rarest = LABELS.sum(axis=0)
    assert (count[(rarest > 0) & (rarest < 12)] >= 15).all()
    assert len(rows) == len(copies(LABELS, 12, 15, np.random.default_rng([3, 28])))
    assert [row.group for row in rows] == [row.id for row in rows]
    assert not any(row.sources for row in rows)


def test_images_are_new_ones_of_new_antibodies():
    rows = [SyntheticRow(f"x{number}", (0,), (0, number)) for number in range(4)]
    images = [Painter.of(PRACTICE, 32).paint(row) for row in rows]
    assert {image.shape for image in images} == {(32, 32, 4)}
    assert len({image.tobytes() for image in images}) == 4
    known = set(draw_tables(PracticeSpec(train=200, test=1, unshifted=1))["antibody_seed"])
    seeds = {tuple(np.random.default_rng([*row.seed, 28]).integers(2**62, size=4)) for row in rows}
    assert not known & {seed for each in seeds for seed in each}
    assert len({each[0] for each in seeds}) == 4


def test_channels_and_classes_are_found_by_their_names():
    changed = PRACTICE.model_copy(
        update={
            "classes": PRACTICE.classes[::-1],
            "images": PRACTICE.images.model_copy(update={"channels": ("yellow", "green")}),
        }
    )
    row, mirrored = SyntheticRow("x", (2, 5), (0, 0)), SyntheticRow("x", (25, 22), (0, 0))
    plain, other = Painter.of(PRACTICE, 32).paint(row), Painter.of(changed, 32).paint(mirrored)
    np.testing.assert_array_equal(other, plain[..., [3, 1]])


@pytest.mark.parametrize(
    ("change", "said"), [({"classes": ("Nucleoli", "Dog")}, "no class 'Dog'"), ({"channels": ("red", "dapi")}, "no channel 'dapi'")]
)
def test_what_is_not_painted_is_named(change, said):
    images = PRACTICE.images.model_copy(update=change if "channels" in change else {})
    with pytest.raises(ConfigError, match=f"the painter knows {said}, which practice has: it paints HPA's classes and channels"):
        Painter.of(PRACTICE.model_copy(update={"classes": change.get("classes", STRUCTURES), "images": images}), 32)


def test_two_processes_paint_what_one_does():
    rows = [SyntheticRow(f"x{number}", (number, 27 - number), (0, number)) for number in range(6)]
    batches, painter = [tuple(rows[:4]), tuple(rows[4:])], Painter.of(PRACTICE, 32)
    one, two = (list(painted(painter, workers, batches)) for workers in (1, 2))
    assert [each.tobytes() for each in one] == [each.tobytes() for each in two]
    assert [each.shape for each in one] == [(4, 32, 32, 4), (2, 32, 32, 4)]
