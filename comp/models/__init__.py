"""Networks: images (B, C, H, W) to logits (B, classes)."""
