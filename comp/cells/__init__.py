"""Nuclei and cells of images: a segmenter that needs no training, its masks, and tables of cells."""
