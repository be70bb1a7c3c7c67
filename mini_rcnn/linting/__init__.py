"""What a configuration means before anything is trained: keys nobody reads, numbers that contradict each other.

Nothing of a foreign file is run: `python_source` reads its text.
"""
