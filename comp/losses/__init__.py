"""Losses, one a file: `build(**options)` gives a function of logits and labels (B, C) that returns a scalar."""
