"""Samplers, one a file: `build(**options)` gives a function of labels (N, C), identity (N,) and a generator that returns row numbers.

Identity is equal for images of one thing, such as an antibody. The order of one epoch may repeat or leave out rows; its length
depends on labels and identity alone.
"""
