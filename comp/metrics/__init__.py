"""Scores on plain arrays: macro F1, average precision, AUROC, thresholds, calibration and bootstraps. No files, no models."""
