"""What `python3 lab.py detect` is made of: films are found, a network is read, results are written."""
