"""Augmentations, one a file: `build(**options)` gives a function of images (B, H, W, C) uint8 and a generator.

They return images of the same shape and type, and never write into their input, which may be the cache itself.
"""
