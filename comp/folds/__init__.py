"""The fold map: which fold holds out which image, how it is made, stored and checked. Training on a fold is in `training`."""
