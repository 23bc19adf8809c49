"""A competition and the experiments on it: YAML files, tables, labels, its data and image cache. No folds, no networks."""
