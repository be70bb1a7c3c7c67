"""The stages of Mask R-CNN in NumPy, one file each: the code that students read and write."""
