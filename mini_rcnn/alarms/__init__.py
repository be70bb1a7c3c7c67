"""False alarms above a score: which they are, what lies there, and which true opacities the head takes them for."""
