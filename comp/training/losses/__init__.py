"""Losses, one a file: `build(**options)` returns a function of logits and labels, both (B, C), that returns a scalar."""
