"""Blenders, one a file: many models' logits become one.

`build(**options)` gives an object with `fit(rows) -> state` and `predict(state, rows) -> logits (N, C)`. A state is JSON-able.
"""
