"""Missing channels of images: how well they are drawn, and filling them."""
