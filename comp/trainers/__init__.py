"""Trainers: a loop each, from images to a network that predicts."""
