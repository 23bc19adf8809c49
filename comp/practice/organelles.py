"""The green channel: one rule for each of the 28 structures, combined by the labels."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from comp.practice import cytoplasmic, nuclear, skeletal
from comp.practice.catalogue import STRUCTURES
from comp.practice.cells import INTERPHASE
from comp.practice.field import Field, Picture

Rule = Callable[[Field, Generator, Generator], Picture]

RULES: dict[str, Rule] = {
    "Nucleoplasm": nuclear.nucleoplasm,
    "Nuclear membrane": nuclear.nuclear_membrane,
    "Nucleoli": nuclear.nucleoli,
    "Nucleoli fibrillar center": nuclear.fibrillar_centers,
    "Nuclear speckles": nuclear.nuclear_speckles,
    "Nuclear bodies": nuclear.nuclear_bodies,
    "Endoplasmic reticulum": cytoplasmic.endoplasmic_reticulum,
    "Golgi apparatus": cytoplasmic.golgi,
    "Peroxisomes": cytoplasmic.peroxisomes,
    "Endosomes": cytoplasmic.endosomes,
    "Lysosomes": cytoplasmic.lysosomes,
    "Intermediate filaments": skeletal.intermediate_filaments,
    "Actin filaments": skeletal.actin_filaments,
    "Focal adhesion sites": skeletal.focal_adhesions,
    "Microtubules": skeletal.microtubule_network,
    "Microtubule ends": skeletal.microtubule_ends,
    "Cytokinetic bridge": skeletal.cytokinetic_bridge,
    "Mitotic spindle": skeletal.mitotic_spindle,
    "Microtubule organizing center": skeletal.organizing_center,
    "Centrosome": skeletal.centrosome,
    "Lipid droplets": cytoplasmic.lipid_droplets,
    "Plasma membrane": skeletal.plasma_membrane,
    "Cell junctions": skeletal.cell_junctions,
    "Mitochondria": cytoplasmic.mitochondria,
    "Aggresome": cytoplasmic.aggresome,
    "Cytosol": cytoplasmic.cytosol,
    "Cytoplasmic bodies": cytoplasmic.cytoplasmic_bodies,
    "Rods & rings": cytoplasmic.rods_and_rings,
}

# These fill a whole compartment. Together with another structure they are drawn weaker, otherwise they would hide it.
DIFFUSE = {STRUCTURES.index(name) for name in ("Nucleoplasm", "Cytosol")}


def green(field: Field, labels: Sequence[int], antibody: int, rng: Generator) -> Picture:
    """The protein. `antibody` seeds what its images have in common: brightness of the structures and parameters of the rules."""
    style = np.random.default_rng(antibody)
    spread, unspecific = style.uniform(0.08, 0.45), float(np.clip(0.06 * np.exp(style.normal(0, 0.8)), 0.01, 0.3))
    standing_out = style.uniform(0.03, 0.25) if style.random() < 0.2 else 0.0
    weights = style.uniform(0.55, 1.0, len(STRUCTURES))
    weights[labels[int(style.integers(len(labels)))]] = 1.0
    picture = unspecific * (field.cytoplasm + style.uniform(0.2, 1.2) * field.nucleus) * (1 + 0.3 * field.texture(1.0, rng))
    for label in labels:
        weight = weights[label] * (style.uniform(0.3, 0.8) if label in DIFFUSE and len(labels) > 1 else 1.0)
        picture = picture + weight * RULES[STRUCTURES[label]](field, np.random.default_rng([antibody, label]), rng)
    level = np.exp(rng.normal(0, spread, len(field.cells))) * np.where(rng.random(len(field.cells)) < standing_out, 3.0, 1.0)
    picture = picture * field.per_cell(level, outside=1.0)
    dividing = field.cells.state != INTERPHASE
    if dividing.any():  # dividing cells have no compartments: the protein is everywhere
        picture = picture + field.per_cell(dividing * rng.uniform(0.1, 0.35)) * (1 - 0.6 * field.nucleus)
    return np.asarray(picture, np.float32)
