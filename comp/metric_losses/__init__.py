"""Losses of embeddings, one a file: `build(**options)` gives a function of (identities, size) that makes the loss.

The loss is a module of embeddings (B, size) and identity (B,), numbers below `identities`, that returns a scalar. What it learns, such
as a centre of each identity, is trained with the network.
"""
