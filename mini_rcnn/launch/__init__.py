"""The launcher behind ``lab.py``: finds or makes an environment and starts the lab in it.

Plain standard library, and it runs on any Python from 3.7, because it runs before anything is installed.
"""
