"""From image files to batches: reading, cache, near-duplicates, channels, augmentation. Nothing about competitions or networks."""
