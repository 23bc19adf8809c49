"""Nearest neighbours of embedded images: search, votes, features, review and pictures. The networks are trained in `training`."""
