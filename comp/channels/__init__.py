"""What a network sees of the stains, one recipe a file: `build(**options)` gives a `comp.data.planes.Recipe`."""
