"""Augmentations, one a file: `build(**options)` gives a function of images (B, H, W, C) uint8 and a random generator.

The function returns images of the same shape and type. It never writes into its input, which may be the cache itself.
"""
