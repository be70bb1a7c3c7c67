"""A Mask R-CNN for pneumonia on chest X-rays, in pieces small enough to take apart."""

__version__ = "0.1.0"
