"""Arrays to figures: the only part that imports matplotlib."""
