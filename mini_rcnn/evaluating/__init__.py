"""What `python3 lab.py evaluate` is made of: predictions are read or made, measured by group, and told in a report."""
