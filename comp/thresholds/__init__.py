"""Threshold rules, one a file: one logit per class above which the class is predicted.

`build(**options)` gives an object with `fit(rows) -> thresholds (C,)` and `predict(thresholds, rows) -> decisions (N, C)`,
where `rows` holds one model, the blend. A threshold of infinity never predicts its class.
"""
