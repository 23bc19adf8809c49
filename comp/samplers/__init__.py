"""Samplers, one a file: `build(**options)` gives a function of labels (N, C) and a generator that returns row numbers.

The order of one epoch may repeat or leave out rows; its length depends on the labels alone.
"""
