"""Trainings that differ in one thing, and what that changes."""
