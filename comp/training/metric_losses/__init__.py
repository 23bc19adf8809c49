"""Metric losses, one a file: `build(**options)` returns a function of (identities, size) that makes the loss.

`identities` is the number of identities to tell apart, `size` the length of the embeddings. The loss is a module that takes embeddings
(B, size) and identity (B,), numbers below `identities`, and returns a scalar. Its parameters, such as a centre of each identity, are
trained with the network.
"""
