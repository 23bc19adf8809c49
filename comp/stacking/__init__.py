"""Stacking: blenders, threshold rules, nested cross-validation, and what a stack reports. Writing the CSV is in `submission`."""
