"""How good what was found is, once the truth is known."""
