"""Recombined images of several folds: which channel is which, who draws the references of which fold, and what is segmented."""

import numpy as np
import pytest

from comp.base.errors import ConfigError
from comp.cells.segmenter import Masks
from comp.competition.competition import Competition
from comp.synthesis.recombined_images import RecombinedImages, Stains, references_by
from comp.synthesis.synthetic_row import SyntheticRow, in_batches

CHANNELS = ("red", "green", "blue", "yellow")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 4), dtype=np.uint8)
for row, by in ((0, 2), (1, 3)):  # the references of a and b are just what one of the networks draws
    IMAGES[row] = np.where(np.arange(4) == 1, IMAGES[row], IMAGES[row, ..., 1:2] // by)
IDS = tuple("abcdef")
STAINS = Stains(1, {"microtubules": 0, "nuclei": 2, "reticulum": 3})


class Darkens:
    """Draws every channel as the given one, divided by a number of its own."""

    channels = CHANNELS

    def __init__(self, by):
        self.by, self.given = by, []

    def __call__(self, images, given):
        assert images.dtype == np.uint8
        assert (images[..., ~given] == 0).all()  # nothing but the protein is known
        self.given.append(given.tolist())
        return np.where(given, images, images[..., given] // self.by)


def competition(*channels):
    images = {"file": "{id}_{channel}.png", "channels": channels}
    return Competition(name="any", title="Any", data="data/any", images=images, classes=["a", "b"])


def test_channels_are_told_apart_by_their_names():
    assert Stains.of(competition(*CHANNELS)) == STAINS
    assert Stains.of(competition("blue", "antibody", "yellow")) == Stains(1, {"nuclei": 0, "reticulum": 2})


@pytest.mark.parametrize(
    "channels", [("green", "blue"), ("red", "green", "yellow"), ("red", "blue", "yellow"), (*CHANNELS, "grey"), ("grey",)]
)
def test_channels_without_cells_or_protein_are_one_line(channels):
    with pytest.raises(ConfigError, match=f"its channels are {', '.join(channels)}"):
        Stains.of(competition(*channels))


@pytest.mark.parametrize("protein", [0, 1, 3])
def test_references_are_drawn_from_the_protein_alone_in_their_order(protein):
    green, generator = IMAGES[..., 0], Darkens(2)
    drawn = references_by(generator, protein)(green)
    assert drawn.shape == (6, 32, 32, 3)
    np.testing.assert_array_equal(drawn, np.repeat((green // 2)[..., None], 3, axis=-1))
    assert generator.given == [[number == protein for number in range(4)]]


def test_each_fold_is_drawn_by_its_own_network_and_each_source_is_segmented_once():
    seen = []

    def segment(stains):
        seen.append(next(image_id for image_id, image in zip(IDS, IMAGES, strict=True) if np.array_equal(image[..., 2], stains["nuclei"])))
        assert stains.keys() == STAINS.references.keys()
        cells = np.zeros((32, 32), np.uint16)
        cells[6:16, 6:16], cells[18:28, 14:26] = 1, 2
        return Masks(cells, cells)

    rows = [
        SyntheticRow(f"{fold}-{number}", (0,), (0, fold, number), sources, only_fold=fold)
        for fold, sources in ((1, ("a", "b")), (4, ("b", "c")))
        for number in range(18)
    ]
    drawer = RecombinedImages(IMAGES, IDS, STAINS, segment, {1: Darkens(2), 4: Darkens(3)})
    batches = list(in_batches(rows))
    images = list(drawer.draw(batches))
    assert [len(each) for each in images] == [16, 2, 16, 2]
    assert sorted(seen) == ["a", "b", "c"]
    for each, by in zip(images, (2, 2, 3, 3), strict=True):
        for reference in (0, 2, 3):
            np.testing.assert_array_equal(each[..., reference], each[..., 1] // by)
    (last,) = drawer.draw(batches[3:])
    assert last.tobytes() == images[3].tobytes()
