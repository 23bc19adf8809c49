"""Synthetic images of rare labels, written as extra rows: painted ones, and cells of training images recombined."""
