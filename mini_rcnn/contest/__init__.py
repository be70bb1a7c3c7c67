"""The class's contest: entries with their weights, scored again by the teacher on films that nobody has seen."""
