"""Prediction files and their provenance: read, written, checked and joined by id; imports. Training and blending are elsewhere."""
