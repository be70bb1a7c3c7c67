"""How the challenge's data comes here: archives, downloads, Kaggle's command, and what must not get in."""
