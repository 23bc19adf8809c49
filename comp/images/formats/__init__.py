"""Decoders of image files, one a format. Each gives the stored values of all samples, or refuses the file and says why."""
