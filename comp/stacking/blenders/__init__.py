"""Blenders, one a file: they turn the logits of several models into one blend.

`build(**options)` returns an object with `fit(predictions) -> state` and `predict(state, predictions) -> logits (N, C)`.
A state can be written as JSON.
"""
