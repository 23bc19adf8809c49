"""Engines: where folds are trained."""
