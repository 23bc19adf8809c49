"""The practice competition: synthetic microscope images with labels, in Kaggle's layout. No training, no scoring."""
