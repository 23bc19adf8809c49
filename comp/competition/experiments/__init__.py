"""Experiments: the settings that determine a model's predictions, one file for each kind of model. How they train lives in `training`."""
