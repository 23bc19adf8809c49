"""Images: reading any layout, the cache, near-duplicates, what the frameworks are fed with."""
