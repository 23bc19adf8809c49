"""Prediction with trained networks: their weights files, and models of several folds on any images."""
