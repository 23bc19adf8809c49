"""Peers: other tools with which people combine models, one per file.

A peer is fitted on labelled rows and decides about held-out rows, which it gets without labels. `peer(train, held)` returns margins
(H, C): each score minus the threshold of its class. A margin of 0 or more predicts the class.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from comp.stacking.prediction_set import PredictionSet

Margins = NDArray[np.float64]
Peer = Callable[[PredictionSet, PredictionSet], Margins]
