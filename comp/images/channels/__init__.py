"""Channel recipes, one a file: which stains a network gets, and how they are mixed. `build(**options)` gives a `ChannelRecipe`."""
