"""Peers: what people combine models with otherwise, one a file.

A peer is fitted on labelled rows and decides about others: `peer(train, held)` gives margins (H, C), how far each score lies
above its class' threshold; a margin of 0 or more predicts the class. It gets `held` without labels.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from comp.rows import Rows

Margins = NDArray[np.float64]
Peer = Callable[[Rows, Rows], Margins]
