"""How a phantom is drawn: the plan, the body, its bones and vessels, disease, devices, the film, the files."""
