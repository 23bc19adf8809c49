"""Training folds of a model, one or many side by side: trainers, losses, checkpoints, the files of a fold. Networks live in `models`."""
