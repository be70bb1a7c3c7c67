"""How a film is read: the guard at the door, the walk through its elements, its frame, its pixels."""
