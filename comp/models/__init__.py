"""Networks, and where their initial weights come from. Their training lives in `training`."""
