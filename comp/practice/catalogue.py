"""Facts behind the practice competition: the 28 structures, which of them occur together, and the cell lines."""

from dataclasses import dataclass, replace

STRUCTURES = (
    "Nucleoplasm", "Nuclear membrane", "Nucleoli", "Nucleoli fibrillar center", "Nuclear speckles", "Nuclear bodies",
    "Endoplasmic reticulum", "Golgi apparatus", "Peroxisomes", "Endosomes", "Lysosomes", "Intermediate filaments",
    "Actin filaments", "Focal adhesion sites", "Microtubules", "Microtubule ends", "Cytokinetic bridge", "Mitotic spindle",
    "Microtubule organizing center", "Centrosome", "Lipid droplets", "Plasma membrane", "Cell junctions", "Mitochondria",
    "Aggresome", "Cytosol", "Cytoplasmic bodies", "Rods & rings",
)  # fmt: skip

CYTOKINETIC_BRIDGE = STRUCTURES.index("Cytokinetic bridge")
MITOTIC_SPINDLE = STRUCTURES.index("Mitotic spindle")

# Label sets and how many images have exactly that set, from the real competition's train.csv (31,072 rows): the sets of 30 images or
# more, and the seven most frequent ones of every class. They cover 93 % of the rows.
_COUNTED_SETS = """
    0:2414 0+25:1998 23:1653 25:1470 7:1163 4:1077 21:1058 0+2:996 5:983 2:808 0+21:769 0+7:668 3:654 6:622 11:601 0+23:572 19:522
    14:484 0+5:479 21+25:425 0+19:395 0+3:383 5+25:350 0+1:317 18:314 2+25:301 1:271 4+25:269 0+2+25:257 12:232 22:213 0+21+25:206
    0+22:192 7+25:173 13:157 0+18:153 0+11:150 0+7+25:144 0+5+25:143 18+25:143 19+25:136 26:134 3+25:132 0+14:129 2+23:128 24:122
    0+1+25:102 1+25:101 23+25:101 20:98 0+3+25:96 0+19+25:91 14+25:91 0+12:84 0+26:81 6+25:80 4+21:76 0+2+7:75 0+4:75 0+16:75 2+21:75
    21+22:72 0+18+25:71 2+7:71 0+16+25:70 12+25:68 0+13:67 11+25:66 5+21:64 0+23+25:61 1+2:60 13+21:57 12+21:55 0+2+23:54 0+6:52
    0+7+21:52 13+25:50 0+1+2:45 4+23:44 5+7:44 0+24:42 0+2+21:41 2+14:40 0+12+25:38 0+22+25:38 7+21:38 2+6+25:37 0+20:36 2+11:36
    22+25:36 0+5+21:35 24+25:35 25+26:35 0+13+25:32 0+11+25:31 1+23:31 8:31 14+16:30 2+6:29 3+23:29 16+25:29 0+2+22:27 16:27 1+4:26
    3+7:26 5+24:24 19+23:24 0+14+25:23 2+4:23 5+14:23 19+21:23 6+7:22 6+21:22 12+21+25:22 17+25:22 0+19+21:21 0+12+21:20 0+14+16:19
    7+16:19 0+2+11:18 0+2+11+25:18 3+21:18 14+16+17:18 18+21:18 9:17 9+10:17 13+21+25:17 4+26:16 11+24:16 0+16+17+25:15 0+17+25:15
    0+21+22:15 14+17:15 0+13+21:14 0+16+17+18:14 0+17:14 0+20+23:14 0+24+25:13 17+18+25:13 6+9+10:11 2+8:10 18+24:10 0+25+26:9 2+15+16:9
    0+2+26:8 0+5+15:8 21+25+26:8 6+20:6 0+2+20:5 0+8:5 0+5+27:4 3+8:4 20+25:4 0+15:3 0+20+25:3 0+27:2 8+21+25:2 23+27:2 0+2+15:1
    0+2+27:1 2+7+8:1 4+19+27:1 27:1
"""


def label_sets() -> dict[tuple[int, ...], int]:
    """Label set -> number of real images with exactly that set."""
    entries = (entry.split(":") for entry in _COUNTED_SETS.split())
    return {tuple(int(label) for label in labels.split("+")): int(count) for labels, count in entries}


@dataclass(frozen=True)
class CellLine:
    """The look of the cells of one line. Lengths are in micrometres.

    Attributes:
        spacing: mean distance between neighbouring nuclei.
        nucleus: mean radius of a nucleus.
        reach: radius of a cell without neighbours.
        aspect: length of a cell divided by its width.
        alignment: 0: every cell has its own direction; 1: all cells have the same.
        occupancy: share of the places of a full layer that hold a cell.
        clumping: 0: the empty places are anywhere; 1: cells form colonies.
        raggedness: variation of the outline of a cell, as a share of its radius.
        nucleoli: mean number in a nucleus.
    """

    spacing: float
    nucleus: float
    reach: float
    aspect: float
    alignment: float
    occupancy: float
    clumping: float
    raggedness: float
    nucleoli: float

    def scaled(self, factor: float) -> "CellLine":
        """The same cells at another size, because cultures differ in age and density."""
        return replace(self, spacing=self.spacing * factor, nucleus=self.nucleus * factor, reach=self.reach * factor)


# Estimated from images of these lines under a 63x objective; the numbers are approximate.
CELL_LINES = {
    "A-431": CellLine(27, 7.6, 19, 1.25, 0.0, 0.90, 0.6, 0.08, 3.5),
    "U-2 OS": CellLine(31, 8.2, 22, 1.7, 0.2, 0.85, 0.2, 0.13, 4.0),
    "U-251 MG": CellLine(30, 7.8, 22, 2.8, 0.5, 0.80, 0.2, 0.18, 3.0),
    "HeLa": CellLine(27, 7.6, 17, 1.7, 0.1, 0.80, 0.4, 0.14, 3.5),
    "HEK 293": CellLine(20, 6.5, 15, 1.8, 0.2, 0.85, 0.7, 0.13, 3.0),
    "MCF7": CellLine(22, 6.9, 15, 1.3, 0.0, 0.75, 0.9, 0.09, 2.5),
    "CACO-2": CellLine(21, 7.0, 14, 1.2, 0.0, 0.85, 0.9, 0.07, 2.5),
    "RT4": CellLine(20, 6.7, 14, 1.3, 0.0, 0.92, 0.6, 0.07, 2.5),
    "PC-3": CellLine(28, 7.2, 17, 2.0, 0.1, 0.70, 0.3, 0.20, 3.0),
    "BJ": CellLine(36, 8.0, 25, 3.8, 0.9, 0.85, 0.1, 0.14, 2.5),
    "SH-SY5Y": CellLine(24, 6.3, 14, 2.5, 0.2, 0.65, 0.6, 0.24, 2.5),
    "K-562": CellLine(24, 6.6, 10, 1.1, 0.0, 0.50, 0.3, 0.06, 2.5),
}
