"""Training from the first weights to the best ones; importing this package alone does not import TensorFlow."""
