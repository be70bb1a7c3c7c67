"""A film written byte for byte: pydicom reads what RSNA's films hold, and would write the same."""

import hashlib
import io
import uuid
import warnings
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image

from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.write_dicom import film_bytes

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "rsna" / "stage_2_train_images"
needs_films = pytest.mark.skipif(not SHARED.exists(), reason="the challenge's films are not here")
ID = "b9cd40bf-ac5e-4177-9f1e-59c56aa3fde8"
FACTS = {"view": "AP", "sex": "F", "age": 64, "spacing": 0.168}


@pytest.fixture
def picture(rng):
    noise = cv2.GaussianBlur(rng.normal(128, 300, (96, 80)).astype(np.float32), (0, 0), 5)
    return np.clip(noise, 0, 255).astype(np.uint8)


def dataset_of(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # RSNA's ages have no Y, which pydicom calls invalid
        dataset = pydicom.dcmread(io.BytesIO(content))
        dataset.walk(lambda _, element: element.value)
    return dataset


def frame_of(content):
    """Return the JPEG inside, without the byte that makes its length even."""
    start = content.index(b"\xff\xd8\xff")
    return content[start : content.rindex(b"\xff\xd9") + 2]


def test_pydicom_reads_the_header(picture):
    dataset = dataset_of(film_bytes(picture, ID, **FACTS))
    assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
    assert dataset.file_meta.ImplementationVersionName == "MINI_RCNN"
    assert (dataset.PatientID, str(dataset.PatientName), dataset.PatientSex, dataset.PatientAge) == (ID, ID, "F", "64")
    assert (dataset.ViewPosition, dataset.SeriesDescription, dataset.Modality) == ("AP", "view: AP", "CR")
    assert (dataset.Rows, dataset.Columns, dataset.BitsStored, dataset.PixelRepresentation) == (96, 80, 8, 0)
    assert (dataset.PhotometricInterpretation, list(dataset.PixelSpacing)) == ("MONOCHROME2", [0.168, 0.168])
    assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID == f"2.25.{uuid.UUID(ID).int}"
    uids = [dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID]
    assert len(set(uids)) == 3 and all(uid.is_valid for uid in uids)


def test_pydicom_would_write_the_same(picture):
    """Beyond the 128 empty bytes, ``DICM`` and the length of the first group, which differ in no way."""
    content = film_bytes(picture, ID, **FACTS)
    again = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset_of(content).save_as(again)
    assert again.getvalue() == content


def test_the_reader_gives_the_pixels_back(picture, tmp_path):
    (tmp_path / "film.dcm").write_bytes(film_bytes(picture, ID, **FACTS))
    film = read_image(tmp_path / "film.dcm")
    assert np.abs(film.image.astype(int) - picture).max() <= 4  # quality 92
    header = film.header
    assert (header.view, header.sex, header.age, header.pixel_spacing) == ("AP", "F", 64, (0.168, 0.168))


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (1024, 8)])
def test_sizes_odd_and_even(shape, tmp_path):
    content = film_bytes(np.full(shape, 77, np.uint8), ID, **FACTS)
    dataset = dataset_of(content)
    assert (dataset.Rows, dataset.Columns) == shape and len(content) % 2 == 0
    assert np.array_equal(np.array(Image.open(io.BytesIO(frame_of(content)))), np.full(shape, 77))


@needs_films
def test_the_same_fields_in_the_same_order_as_a_real_film(picture):
    real = dataset_of(sorted(SHARED.glob("*.dcm"))[0].read_bytes())
    ours = dataset_of(film_bytes(picture, ID, **FACTS))
    assert [(element.tag, element.VR) for element in ours] == [(element.tag, element.VR) for element in real]
    assert [element.tag for element in ours.file_meta] == [element.tag for element in real.file_meta]
    free = {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "ViewPosition", "Rows"}
    free |= {"PatientName", "PatientID", "PatientSex", "PatientAge", "PixelSpacing", "PixelData", "Columns"}
    assert {element.keyword for element in real if element.value != ours[element.tag].value} <= free


@needs_films
def test_the_same_jpeg_as_a_real_film(picture):
    """Quality, subsampling and what JFIF says of the density; Huffman tables are each film's own."""
    for path in sorted(SHARED.glob("*.dcm"))[::60]:
        real = Image.open(io.BytesIO(frame_of(path.read_bytes())))
        ours = Image.open(io.BytesIO(frame_of(film_bytes(picture, ID, **FACTS))))
        assert (ours.quantization, ours.layer, ours.info) == (real.quantization, real.layer, real.info)
        decoded = cv2.imdecode(np.frombuffer(frame_of(path.read_bytes()), np.uint8), 0)
        again = frame_of(film_bytes(decoded, ID, **FACTS))
        np.testing.assert_allclose(len(again), len(frame_of(path.read_bytes())), rtol=0.01)


def test_both_environments_write_the_same():
    """And so does every version of pydicom, which does not take part; the encoder is cv2's."""
    picture = (np.add.outer(np.arange(64), 2 * np.arange(48)) % 256).astype(np.uint8)
    digest = hashlib.sha256(film_bytes(picture, ID, **FACTS)).hexdigest()
    assert digest == "50066ca699e15b20a42d684888eec0e0922ffd5b462f3154bbf48e7a00ce3d80"
    assert hashlib.sha256(film_bytes(picture, ID, **{**FACTS, "age": 65})).hexdigest() != digest


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_film_is_refused(image):
    with pytest.raises(ValueError, match=r"image must be \(H, W\) uint8 and not empty, got "):
        film_bytes(image, ID, **FACTS)
