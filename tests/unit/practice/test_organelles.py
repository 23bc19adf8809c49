"""Each of the 28 rules puts the protein where its structure is, measured with the masks."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from comp.practice import catalogue
from comp.practice.cells import FIELD, INTERPHASE, METAPHASE, grow
from comp.practice.draw import Scene, draw_field
from comp.practice.field import Field
from comp.practice.organelles import RULES

Mask = NDArray[np.bool_]


@dataclass
class Seen:
    """A rule's picture with the regions it is measured in, all (pixels, pixels)."""

    field: Field
    picture: NDArray[np.float32]

    def mean(self, region: Mask) -> float:
        return float(self.picture[region].mean())

    def labelled(self, region: Mask, level: float = 0.4) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Connected bright patches numbered from 1, and how many pixels each has."""
        _, labels, stats, _ = cv2.connectedComponentsWithStats(((self.picture > level) & region).astype(np.uint8))
        return labels, stats[1:, cv2.CC_STAT_AREA]

    def blobs(self, region: Mask, level: float = 0.4) -> NDArray[np.int32]:
        """Pixels of each connected bright patch."""
        return self.labelled(region, level)[1]

    @property
    def resting(self) -> Mask:
        return self.field.per_cell((self.field.cells.state == INTERPHASE).astype(float)) > 0

    @property
    def nucleus(self) -> Mask:
        return (self.field.nucleus_map > 0) & self.resting

    @property
    def cytoplasm(self) -> Mask:
        return (self.field.cell_map > 0) & (self.field.nucleus_map == 0) & self.resting

    @property
    def nucleolus(self) -> Mask:
        return self.nucleus & (self.field.nucleolus > 0.7)

    @property
    def chromatin(self) -> Mask:
        return self.nucleus & (self.field.nucleolus < 0.05)

    @property
    def cells(self) -> int:
        return len(np.unique(self.field.cell_map[self.resting]))

    @property
    def sides(self) -> tuple[float, float]:
        """What is over the haze, within 60 degrees of the direction of the centrosome and of its opposite, 6 um around the nucleus."""
        rows, columns = np.indices(self.picture.shape)
        cell = np.maximum(self.field.cell_map.astype(int) - 1, 0)
        place = np.stack([columns, rows], axis=-1) / self.field.scale - self.field.cells.centres[cell]
        turn = np.arctan2(place[..., 1], place[..., 0]) - self.field.cells.pole[cell]
        near = self.cytoplasm & (self.field.nucleus_distance < 6)
        over = np.clip(self.picture - np.quantile(self.picture[near], 0.6), 0, None)
        return float(over[near & (np.cos(turn) > 0.5)].mean()), float(over[near & (np.cos(turn) < -0.5)].mean())


def nucleoplasm(seen: Seen) -> bool:
    return seen.mean(seen.chromatin) > 8 * seen.mean(seen.cytoplasm) and seen.mean(seen.chromatin) > 1.2 * seen.mean(seen.nucleolus)


def nuclear_membrane(seen: Seen) -> bool:
    shell = seen.nucleus & (seen.field.depth < 0.8)
    inside, outside = seen.nucleus & (seen.field.depth > 2), seen.cytoplasm & (seen.field.nucleus_distance > 3)
    return seen.mean(shell) > 3 * seen.mean(inside) and seen.mean(outside) < 0.02


def nucleoli(seen: Seen) -> bool:
    return seen.mean(seen.nucleolus) > 3 * seen.mean(seen.chromatin) and seen.mean(seen.nucleolus) > 0.7


def fibrillar_centers(seen: Seen) -> bool:
    inside = seen.picture[seen.nucleolus]
    return seen.mean(seen.nucleolus) > 3 * seen.mean(seen.chromatin) and bool(np.quantile(inside, 0.95) > 2 * np.median(inside))


def nuclear_speckles(seen: Seen) -> bool:
    spots = len(seen.blobs(seen.nucleus)) / seen.cells
    return spots > 4 and seen.mean(seen.chromatin) > 3 * seen.mean(seen.nucleolus) and seen.mean(seen.cytoplasm) < 0.02


def nuclear_bodies(seen: Seen) -> bool:
    spots = len(seen.blobs(seen.nucleus)) / seen.cells
    return 0.7 < spots < 12 and seen.mean(seen.nucleus) > 10 * seen.mean(seen.cytoplasm)


def endoplasmic_reticulum(seen: Seen) -> bool:
    near, far = seen.cytoplasm & (seen.field.nucleus_distance < 3), seen.cytoplasm & (seen.field.nucleus_distance > 7)
    return seen.mean(near) > 1.3 * seen.mean(far) and seen.mean(near) > 4 * seen.mean(seen.nucleus)


def golgi(seen: Seen) -> bool:
    toward, away = seen.sides
    near, far = seen.cytoplasm & (seen.field.nucleus_distance < 6), seen.cytoplasm & (seen.field.nucleus_distance > 9)
    return toward > 5 * away and seen.mean(near) > 3 * seen.mean(far)


def peroxisomes(seen: Seen) -> bool:
    return len(seen.blobs(seen.cytoplasm)) / seen.cells > 15 and seen.mean(seen.cytoplasm) > 5 * seen.mean(seen.nucleus)


def endosomes(seen: Seen) -> bool:
    return 6 < len(seen.blobs(seen.cytoplasm)) / seen.cells < 40 and seen.mean(seen.cytoplasm) > 4 * seen.mean(seen.nucleus)


def lysosomes(seen: Seen) -> bool:
    toward, away = seen.sides
    return toward > 1.5 * away and seen.mean(seen.cytoplasm) > 2.5 * seen.mean(seen.nucleus) and seen.picture.max() > 1.5


def intermediate_filaments(seen: Seen) -> bool:
    return (
        seen.mean(seen.cytoplasm & (seen.field.nucleus_distance < 5))
        > 1.3 * seen.mean(seen.cytoplasm & (seen.field.nucleus_distance > 7))
        > 0
    )


def actin_filaments(seen: Seen) -> bool:
    """Brightness changes faster across the long axis of the cell than along it."""
    down, right = np.gradient(cv2.GaussianBlur(seen.picture, (0, 0), 1.0))
    heading = seen.field.per_cell(seen.field.cells.heading)
    along = np.abs(np.cos(heading) * right + np.sin(heading) * down)
    across = np.abs(-np.sin(heading) * right + np.cos(heading) * down)
    inner = seen.resting & (seen.field.rim > 2.5)
    return bool(across[inner].mean() > 1.6 * along[inner].mean())


def focal_adhesions(seen: Seen) -> bool:
    edge, inner = seen.cytoplasm & (seen.field.rim < 3), seen.cytoplasm & (seen.field.rim > 6)
    return seen.mean(edge) > 1.5 * seen.mean(inner) and len(seen.blobs(seen.cytoplasm)) > 5 * seen.cells


def microtubule_network(seen: Seen) -> bool:
    return seen.mean(seen.cytoplasm) > 5 * seen.mean(seen.nucleus) and seen.mean(seen.cytoplasm) > 0.15


def microtubule_ends(seen: Seen) -> bool:
    outer, inner = seen.cytoplasm & (seen.field.rim < 5), seen.cytoplasm & (seen.field.nucleus_distance < 2)
    return len(seen.blobs(seen.cytoplasm, 0.3)) > 12 * seen.cells and seen.mean(outer) > 1.5 * seen.mean(inner)


def cytokinetic_bridge(seen: Seen) -> bool:
    """The brightest pixels lie close to the middle between two sisters."""
    cells = seen.field.cells
    first = np.flatnonzero(cells.sister >= 0)
    middle = (cells.centres[first] + cells.centres[cells.sister[first]]) / 2
    bright = np.argwhere(seen.picture > np.quantile(seen.picture, 0.999))[:, ::-1] / seen.field.scale
    apart = np.sqrt(((bright[:, None] - middle[None]) ** 2).sum(axis=-1)).min(axis=1)
    return len(first) > 0 and bool((apart < 6).mean() > 0.9)


def mitotic_spindle(seen: Seen) -> bool:
    metaphase = seen.field.per_cell((seen.field.cells.state == METAPHASE).astype(float)) > 0
    return bool(metaphase.any()) and seen.mean(metaphase) > 5 * seen.mean(seen.cytoplasm)


def organizing_center(seen: Seen) -> bool:
    toward, away = seen.sides
    return toward > 4 * away and 0.6 < len(seen.blobs(seen.resting, 0.5)) / seen.cells < 3


def centrosome(seen: Seen) -> bool:
    toward, away = seen.sides
    sizes = seen.blobs(seen.resting, 0.5)
    return toward > 2.5 * away and 0.6 < len(sizes) / seen.cells < 2.2 and float(np.median(sizes)) < (2.5 * seen.field.scale) ** 2


def lipid_droplets(seen: Seen) -> bool:
    """Droplets keep to clusters: many cells' areas stay empty."""
    coarse = cv2.resize(seen.picture, (32, 32), interpolation=cv2.INTER_AREA)
    covered = cv2.resize(seen.cytoplasm.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA) > 0.8
    return seen.mean(seen.cytoplasm) > 3 * seen.mean(seen.nucleus) and bool(coarse[covered].std() > 0.8 * coarse[covered].mean())


def plasma_membrane(seen: Seen) -> bool:
    return seen.mean(seen.resting & (seen.field.rim < 0.9)) > 1.7 * seen.mean(seen.resting & (seen.field.rim > 4))


def cell_junctions(seen: Seen) -> bool:
    """Bright at borders with another cell, dark at borders with emptiness."""
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    empty = cv2.dilate((seen.field.cell_map == 0).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))) > 0
    highest, lowest = (morph(seen.field.cell_map.astype(np.float32), reach) for morph in (cv2.dilate, cv2.erode))
    shared = (highest != lowest) & (lowest > 0) & ~empty
    return seen.mean(shared) > 4 * seen.mean(empty & (seen.field.cell_map > 0))


def mitochondria(seen: Seen) -> bool:
    near, far = seen.cytoplasm & (seen.field.nucleus_distance < 4), seen.cytoplasm & (seen.field.nucleus_distance > 8)
    return seen.mean(near) > 1.3 * seen.mean(far) and seen.mean(seen.cytoplasm) > 20 * seen.mean(seen.nucleus & (seen.field.depth > 1))


def aggresome(seen: Seen) -> bool:
    lumps = seen.blobs(seen.resting, 0.5)
    return 0.3 < (lumps > 8).sum() / seen.cells < 1.3 and seen.sides[0] > 3 * seen.sides[1]


def cytosol(seen: Seen) -> bool:
    body = cv2.GaussianBlur(seen.picture, (0, 0), 2.0)[seen.cytoplasm & (seen.field.rim > 2) & (seen.field.nucleus_distance > 2)]
    return seen.mean(seen.cytoplasm & (seen.field.rim > 2)) > 1.5 * seen.mean(seen.nucleus) and bool(body.std() < 0.35 * body.mean())


def cytoplasmic_bodies(seen: Seen) -> bool:
    return 1 < len(seen.blobs(seen.cytoplasm)) / seen.cells < 10 and seen.mean(seen.cytoplasm) > 2 * seen.mean(seen.nucleus)


def rods_and_rings(seen: Seen) -> bool:
    """Few long patches: at least half of the large ones are longer than wide by far, or hollow."""
    long = 0
    labels, sizes = seen.labelled(seen.field.cell_map > 0)
    large = [np.argwhere(labels == number) for number in np.flatnonzero(sizes >= 5) + 1]
    for blob in large:
        (_, sides, _) = cv2.minAreaRect(blob[:, ::-1].astype(np.float32))
        filled = len(blob) / max(1.0, (sides[0] + 1) * (sides[1] + 1))
        long += max(sides) + 1 > 2.2 * (min(sides) + 1) or filled < 0.6
    return 0.4 < len(large) / seen.cells < 6 and long > 0.5 * len(large)


CHECKS: list[Callable[[Seen], bool]] = [
    nucleoplasm, nuclear_membrane, nucleoli, fibrillar_centers, nuclear_speckles, nuclear_bodies, endoplasmic_reticulum, golgi,
    peroxisomes, endosomes, lysosomes, intermediate_filaments, actin_filaments, focal_adhesions, microtubule_network,
    microtubule_ends, cytokinetic_bridge, mitotic_spindle, organizing_center, centrosome, lipid_droplets, plasma_membrane,
    cell_junctions, mitochondria, aggresome, cytosol, cytoplasmic_bodies, rods_and_rings,
]  # fmt: skip


def field_of(seed: int, line: str = "HeLa", pixels: int = 512) -> Field:
    rng = np.random.default_rng(seed)
    cells = grow(catalogue.CELL_LINES[line], rng, metaphases=2, divisions=2)
    place = cells.points(np.arange(len(cells)).repeat(2), rng.uniform(0, 6.28, 2 * len(cells)), np.full(2 * len(cells), -0.6))
    place = place[np.repeat(cells.state == INTERPHASE, 2)]
    return Field(cells, pixels, np.zeros(2), np.column_stack([place, np.full(len(place), 1.4)]), seed)


@pytest.mark.parametrize("label", range(28), ids=catalogue.STRUCTURES)
@pytest.mark.parametrize("line", ["HeLa", "A-431"])
def test_rule_draws_its_structure(label: int, line: str) -> None:
    for seed in range(3):
        field = field_of(seed, line)
        picture = RULES[catalogue.STRUCTURES[label]](field, np.random.default_rng([seed, label]), np.random.default_rng(seed))
        assert picture.shape == (512, 512)
        assert np.isfinite(picture).all()
        assert picture.min() > -1e-4
        assert CHECKS[label](Seen(field, np.asarray(picture, np.float32))), seed


@pytest.mark.parametrize("label", range(28), ids=catalogue.STRUCTURES)
def test_every_rule_reaches_the_image(label: int) -> None:
    """The labelled structure changes the green channel of the finished image, and only that one."""
    scenes = [Scene(labels, "U-2 OS", 1, 2, 3, 4) for labels in ((0,), (label,))]
    if label in (0, catalogue.CYTOKINETIC_BRIDGE, catalogue.MITOTIC_SPINDLE):
        assert draw_field(scenes[1], 64).image[..., 1].max() > 20
        return
    plain, other = (draw_field(scene, 64) for scene in scenes)
    assert np.array_equal(plain.cells, other.cells)
    assert np.abs(plain.image[..., 1].astype(int) - other.image[..., 1]).mean() > 1


@pytest.mark.parametrize(("label", "channel"), [(14, 0), (6, 3), (0, 2)])
def test_a_protein_in_a_stained_structure_lies_where_the_stain_does(label: int, channel: int) -> None:
    """Microtubules in green follow red, the endoplasmic reticulum yellow, the nucleoplasm blue, and peroxisomes none of them."""

    def likeness(labels: tuple[int, ...]) -> float:
        image = draw_field(Scene(labels, "U-2 OS", 5, 6, 7, 8), 128).image.astype(float)
        return float(np.corrcoef(image[..., channel].ravel(), image[..., 1].ravel())[0, 1])

    assert likeness((label,)) > 0.6
    assert likeness((label,)) > likeness((8,)) + 0.2


def test_every_structure_has_a_rule() -> None:
    assert tuple(RULES) == catalogue.STRUCTURES
    assert len(CHECKS) == len(RULES) == 28
    assert FIELD > 100
