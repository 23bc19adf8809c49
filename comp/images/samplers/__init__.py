"""Samplers, one a file: `build(**options)` gives a function of labels (N, C), identity (N,) and a random generator.

The function returns the row numbers of one epoch, in order. They may repeat or leave out rows. Their number depends only on labels and
identity. Identity is equal for images of one antibody, or of whatever else a metric loss tells apart.
"""
