"""Benchmarks: ``python3 lab.py bench WHAT``; each compares in one run, since machines are noisy."""
