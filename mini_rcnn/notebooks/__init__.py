"""Notebooks from their sources: exercise and solution, executed, the same bytes each time."""
