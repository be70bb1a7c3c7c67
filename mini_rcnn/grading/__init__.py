"""Notebooks of a class, run in kernels of their own and judged from outside."""
