"""Small folders in Kaggle's layout for tests: noise films of any size, written with pydicom, and their tables."""

from __future__ import annotations

import csv

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

OLD_PYDICOM = pydicom.__version__ < "3"
SAVE_OPTIONS = {"write_like_original": False} if OLD_PYDICOM else {"enforce_file_format": True}


def write_film(path, pixels, *, view="PA", sex="F", age="061Y"):
    """Write pixels (H, W) uint8 as an uncompressed chest film."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    film.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID
    film.Modality, film.ViewPosition, film.PatientSex, film.PatientAge = "CR", view, sex, age
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = pixels.tobytes()
    if OLD_PYDICOM:
        film.is_little_endian, film.is_implicit_VR = True, False
    film.save_as(str(path), **SAVE_OPTIONS)


def film_id(number):
    """Return the id of a film, in the form of RSNA's."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def make_folder(folder, n_films, *, shape=(64, 64), masks=False, seed=5):
    """Write a folder of films: number 0, 2, 4 ... have one box, number 1, 5, 9 ... two, the others none."""
    rng = np.random.default_rng(seed)
    films = folder / "stage_2_train_images"
    films.mkdir(parents=True)
    labels, classes = [], []
    for number in range(n_films):
        name = film_id(number)
        write_film(films / f"{name}.dcm", rng.integers(0, 256, shape).astype(np.uint8), age=f"{20 + number % 60:03d}Y")
        boxes = [] if number % 4 == 3 else draw_boxes(rng, 1 + number % 2, shape)
        labels += [(name, x, y, w, h, 1) for x, y, w, h in boxes] or [(name, "", "", "", "", 0)]
        classes += [(name, "Lung Opacity" if boxes else "Normal")] * max(1, len(boxes))
        if masks and boxes:
            write_masks(folder / "stage_2_train_masks", name, boxes, shape)
    write_table(folder / "stage_2_train_labels.csv", ("patientId", "x", "y", "width", "height", "Target"), labels)
    write_table(folder / "stage_2_detailed_class_info.csv", ("patientId", "class"), classes)
    return folder


def draw_boxes(rng, count, shape):
    """Return boxes (x, y, width, height) of whole pixels inside the film."""
    sides = rng.integers(12, 30, (count, 2))
    corners = rng.integers(1, np.array([shape[1], shape[0]]) - 30, (count, 2))
    return [(int(x), int(y), int(w), int(h)) for (x, y), (w, h) in zip(corners, sides)]


def write_masks(folder, name, boxes, shape):
    """Write the upper left half of each box as a mask: bit k is box k."""
    folder.mkdir(exist_ok=True)
    bits = np.zeros(shape, np.uint8)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for k, (x, y, w, h) in enumerate(boxes):
        inside = (rows >= y) & (rows < y + h) & (columns >= x) & (columns < x + w)
        bits |= (inside & ((rows - y) / h + (columns - x) / w <= 1)).astype(np.uint8) << k
    Image.fromarray(bits).save(str(folder / f"{name}.png"))


def write_table(path, columns, rows):
    """Write a CSV file."""
    with open(str(path), "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
