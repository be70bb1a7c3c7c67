"""Thresholds moved without the network: it looks at each film once, and what it said is filtered again and again."""
