"""Threshold rules, one a file: a class is predicted when its logit reaches the threshold of the class.

`build(**options)` returns an object with `fit(predictions) -> thresholds (C,)`; `predictions` hold one model, the blend. A class
with an infinite threshold is never predicted.
"""
