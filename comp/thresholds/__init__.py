"""Threshold rules, one a file: one logit per class from which on the class is predicted.

`build(**options)` gives an object with `fit(rows) -> thresholds (C,)`, where `rows` holds one model, the blend. A threshold
of infinity never predicts its class.
"""
