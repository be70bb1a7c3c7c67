"""The data: chest films as DICOM, RSNA's tables, phantoms, splits, the prepared cache, augmentation and batches."""
