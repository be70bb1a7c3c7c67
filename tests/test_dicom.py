"""Reading films: every coding against the pixels that went in, every grey level against the standard and pydicom."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_films import (
    BASELINE,
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    J2K,
    J2K_LOSSLESS,
    LOSSLESS,
    LOSSLESS_SV1,
    LS,
    LS_NEAR,
    RLE,
    element,
    encapsulated,
    film,
    gdcm_film,
    item,
    meta,
    pillow_frame,
    soft_pixels,
)  # fmt: skip
from PIL import Image

from mini_rcnn.data.dicom import KINDS, Film, read_header, read_image
from mini_rcnn.data.errors import DicomError
from mini_rcnn.data.films.dicom_pixels import window_levels

try:
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, apply_windowing, convert_color_space
except ImportError:
    from pydicom.pixel_data_handlers.util import (
        apply_color_lut,
        apply_modality_lut,
        apply_voi_lut,
        apply_windowing,
        convert_color_space,
    )  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent
RSNA = ROOT.parent / "shared" / "rsna" / "stage_2_train_images"
PYDICOM_FILES = Path(pydicom.__file__).parent / "data"
CENTER, WIDTH, INTERCEPT, SLOPE, FUNCTION = 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056


@pytest.fixture
def read(tmp_path):
    """Return a reader of bytes, by way of a file."""

    def read_bytes(data, name="film.dcm"):
        (tmp_path / name).write_bytes(data)
        return read_image(tmp_path / name)

    return read_bytes


def ramp(values, dtype):
    """Return an 8 x 8 image of which the first pixels are these values and the others the last of them."""
    return np.resize(np.array(list(values) + [values[-1]] * (64 - len(values)), dtype=dtype), (8, 8))


# 1. Worked out on paper.


def test_eight_bit_comes_out_untouched(read, rng):
    pixels = rng.integers(0, 256, (64, 48)).astype(np.uint8)
    for data in (film(pixels), film(pixels, extra={SLOPE: ("DS", "1"), INTERCEPT: ("DS", "0")})):
        got = read(data)
        assert isinstance(got, Film) and got.image.dtype == np.uint8 and got.image.flags.writeable
        np.testing.assert_array_equal(got.image, pixels)


def test_monochrome1_by_hand(read):
    pixels = ramp([0, 1, 100, 254, 255], np.uint8)
    got = read(film(pixels, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(got.image.ravel()[:5], [255, 254, 155, 1, 0])
    assert got.header.photometric == "MONOCHROME1"


def test_rescale_and_window_by_hand(read):
    # Stored 1000 means -24 with slope 1, intercept -1024. Window 40 / 401: 0 up to 40 - 0.5 - 200 = -160.5, 255 from
    # 239.5 on, between them ((x - 39.5) / 400 + 0.5) * 255. For -24: (-63.5 / 400 + 0.5) * 255 = 87.02.
    pixels = ramp([0, 863, 864, 1000, 1063, 1064, 1263, 1264, 4095], np.uint16)
    rescale = {INTERCEPT: ("DS", "-1024"), SLOPE: ("DS", "1"), CENTER: ("DS", "40"), WIDTH: ("DS", "401")}
    want = [0, 0, 0, 87, 127, 128, 255, 255, 255]  # 864 is -160: 0.5 / 400 * 255 = 0.3; 1063 is 39: 127.2; 40: 127.8
    got = read(film(pixels, stored=12, extra=rescale))
    np.testing.assert_array_equal(got.image.ravel()[:9], want)
    got = read(film(pixels, stored=12, extra=rescale, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(got.image.ravel()[:9], 255 - np.array(want))


def test_other_window_functions_by_hand(read):
    pixels = ramp([0, 25, 50, 75, 100], np.uint8)
    window = {CENTER: ("DS", "50\\7"), WIDTH: ("DS", "50\\9"), FUNCTION: ("CS", "LINEAR_EXACT")}  # the first counts
    got = read(film(pixels, extra=window)).image.ravel()[:5]
    np.testing.assert_array_equal(got, [0, 0, 128, 255, 255])  # 127.5 is rounded to the even number
    got = read(film(pixels, extra={**window, FUNCTION: ("CS", "SIGMOID")}))
    # 255 / (1 + exp(-4 (x - 50) / 50)): at 0 255 / (1 + e^4) = 4.59, at 25 255 / (1 + e^2) = 30.40.
    np.testing.assert_array_equal(got.image.ravel()[:5], [5, 30, 128, 225, 250])


def test_a_window_of_width_one_is_a_step():
    np.testing.assert_array_equal(window_levels(np.array([9.0, 9.5, 10.0]), 10.0, 1.0, "LINEAR"), [0, 0, 255])


def test_no_window_is_stretched_between_percentiles(read):
    # 1,000 pixels: 0 to 999 in steps of 4. Ranks 0.005 * 999 = 4.995 and 0.995 * 999 = 994.005: values 16 and 3976.
    pixels = (np.arange(1000, dtype=np.uint16) * 4).reshape(25, 40)
    got = read(film(pixels, stored=12)).image.ravel()
    want = np.clip((pixels.ravel().astype(float) - 16) / (3976 - 16) * 255, 0, 255)
    np.testing.assert_allclose(got, want, atol=0.5)
    assert got[4] == 0 and got[5] == 0 and got[994] == 255


def test_padding_does_not_stretch(read):
    pixels = (np.arange(1000, dtype=np.int16) - 500).reshape(25, 40)
    pixels[:10] = -2000
    got = read(film(pixels, extra={0x00280120: ("SS", -2000)})).image
    assert (got[:10] == 0).all() and 100 < got[17, 20] < 155
    without = read(film(pixels)).image
    assert without[17, 20] > 200  # what the padding does where it is not named


def test_signed_pixels(read):
    pixels = ramp([-128, -64, 0, 64, 127], np.int8)
    got = read(film(pixels, extra={CENTER: ("DS", "0"), WIDTH: ("DS", "256")})).image.ravel()[:5]
    np.testing.assert_array_equal(got, [0, 64, 128, 192, 255])  # x + 128, by the formula with c - 0.5 and w - 1


def test_one_value_is_black(read):
    assert not read(film(np.full((9, 9), 700, np.uint16))).image.any()


def lut(first, bits, values):
    """Return a table's one-item sequence."""
    head = element(0x00283002, "US", (len(values), first, bits))
    return item(head + element(0x00283006, "US", tuple(values)))


def test_tables_by_hand(read):
    pixels = ramp([0, 9, 10, 11, 12, 200], np.uint8)
    got = read(film(pixels, extra={0x00283010: ("SQ", lut(10, 8, [7, 70, 255]))})).image.ravel()[:6]
    np.testing.assert_array_equal(got, [7, 7, 7, 70, 255, 255])
    both = {0x00283000: ("SQ", lut(0, 16, range(0, 2560, 10))), CENTER: ("DS", "100"), WIDTH: ("DS", "101")}
    got = read(film(pixels, extra=both)).image.ravel()[:6]  # 9 means 90: (90 - 99.5) / 100 + 0.5 = 0.405
    np.testing.assert_array_equal(got, [0, 103, 129, 154, 180, 255])


def test_colour_by_hand(read):
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[0, :4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    got = read(film(colours, photometric="RGB")).image[0, :5]
    np.testing.assert_array_equal(got, [76, 150, 29, 255, 0])  # 255 times 0.299, 0.587, 0.114
    ybr = np.full((8, 8, 3), 128, np.uint8)
    ybr[..., 0] = np.arange(64).reshape(8, 8) * 4
    np.testing.assert_array_equal(read(film(ybr, photometric="YBR_FULL")).image, ybr[..., 0])


def test_palette_by_hand(read):
    index = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tables = {}
    for channel in range(3):  # entry i is (i, 2 i, 3 i), in the upper byte, as 16 bit tables have it
        tables[0x00281101 + channel] = ("US", (64, 0, 16))
        tables[0x00281201 + channel] = ("OW", (np.arange(64, dtype="<u2") * (channel + 1) * 257).tobytes())
    got = read(film(index, photometric="PALETTE COLOR", extra=tables)).image
    np.testing.assert_allclose(got, index * (0.299 + 2 * 0.587 + 3 * 0.114), atol=0.51)


def test_header_by_hand(read):
    got = read(film(np.zeros((10, 12), np.uint8))).header
    assert (got.rows, got.columns, got.photometric, got.bits_stored) == (10, 12, "MONOCHROME2", 8)
    assert (got.transfer_syntax, got.modality, got.view, got.sex) == (EXPLICIT, "CR", "PA", "F")
    assert (got.age, got.pixel_spacing) == (49, (0.143, 0.171))


@pytest.mark.parametrize("tag, vr, value, name, want", [
    (0x00101010, "AS", "49", "age", 49), (0x00101010, "AS", "006M", "age", 0), (0x00101010, "AS", "030M", "age", 2),
    (0x00101010, "AS", "", "age", None), (0x00101010, "AS", "old", "age", None), (0x00101010, "AS", "-1", "age", None),
    (0x00100040, "CS", "O", "sex", None), (0x00100040, "CS", "f", "sex", None), (0x00100040, "CS", "M ", "sex", "M"),
    (0x00185101, "CS", "AP", "view", "AP"), (0x00185101, "CS", "JONES", "view", None),
    (0x00080060, "CS", "JONES", "modality", None), (0x00280030, "DS", "0\\1", "pixel_spacing", None),
    (0x00280030, "DS", "wide", "pixel_spacing", None), (0x00280030, "DS", "0.1", "pixel_spacing", None),
])  # fmt: skip
def test_header_values_are_checked(tmp_path, tag, vr, value, name, want):
    (tmp_path / "film.dcm").write_bytes(film(np.zeros((10, 12), np.uint8), extra={tag: (vr, value)}))
    assert getattr(read_header(tmp_path / "film.dcm"), name) == want


def test_spacing_of_the_detector_stands_in(tmp_path):
    data = film(np.zeros((9, 9), np.uint8), extra={0x00181164: ("DS", "0.2\\0.3")}, without=(0x00280030,))
    (tmp_path / "film.dcm").write_bytes(data)
    assert read_header(tmp_path / "film.dcm").pixel_spacing == (0.2, 0.3)


# 2. Every coding gives back what went in.


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_uncompressed(read, rng, syntax, bits):
    pixels = soft_pixels(rng, bits=bits)
    window = {CENTER: ("DS", str(2 ** (bits - 1))), WIDTH: ("DS", str(2**bits))}  # all values, black to white
    got = read(film(pixels, syntax=syntax, stored=bits, extra=window))
    np.testing.assert_allclose(got.image, pixels / (2**bits - 1) * 255, atol=0.51)
    assert got.header.transfer_syntax == syntax and got.header.bits_stored == bits


@pytest.mark.parametrize("bits, syntax", [
    (bits, syntax) for bits in (8, 12, 16)
    for syntax in (RLE, BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1, LS, LS_NEAR, J2K_LOSSLESS, J2K)
    if (bits, syntax) not in ((12, BASELINE), (16, BASELINE), (16, EXTENDED))  # which there are not
])  # fmt: skip
def test_compressed_by_gdcm(read, rng, tmp_path, bits, syntax):
    pixels = soft_pixels(rng, bits=bits)
    window = {CENTER: ("DS", str(2 ** (bits - 1))), WIDTH: ("DS", str(2**bits))}
    data = gdcm_film(pixels, syntax, tmp_path, stored=bits)
    at = data.index(element(0x00280103, "US", 0)) + 10
    data = data[:at] + element(CENTER, *window[CENTER]) + element(WIDTH, *window[WIDTH]) + data[at:]
    got = read(data)
    lossy = syntax in (BASELINE, EXTENDED)
    np.testing.assert_allclose(got.image, pixels / (2**bits - 1) * 255, atol=1.51 if lossy else 0.51)
    assert got.header.transfer_syntax == syntax


def test_jpeg_is_pillows(read, rng):
    frame = pillow_frame(soft_pixels(rng), "JPEG", quality=70)
    want = np.asarray(Image.open(io.BytesIO(frame)))
    for pieces in (1, 3):
        got = read(film(want, syntax=BASELINE, frame=frame, pieces=pieces)).image
        np.testing.assert_array_equal(got, want)
    got = read(film(want, syntax=BASELINE, frame=frame, photometric="MONOCHROME1")).image
    np.testing.assert_array_equal(got, 255 - want)


@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg2000_by_pillow(read, rng, bits):
    pixels = soft_pixels(rng, bits=bits)
    window = {CENTER: ("DS", str(2 ** (bits - 1))), WIDTH: ("DS", str(2**bits))}
    got = read(film(pixels, syntax=J2K_LOSSLESS, frame=pillow_frame(pixels, "JPEG2000"), extra=window)).image
    np.testing.assert_allclose(got, pixels / (2**bits - 1) * 255, atol=0.51)


def test_colour_jpeg(read, rng):
    grey = soft_pixels(rng)
    colours = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=2)
    frame = pillow_frame(colours, "JPEG", quality=95, subsampling=0)
    got = read(film(colours, syntax=BASELINE, frame=frame, photometric="YBR_FULL")).image
    np.testing.assert_allclose(got, np.asarray(Image.open(io.BytesIO(frame)).convert("L")).astype(int), atol=2)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_without_preamble(read, rng, syntax):
    pixels = soft_pixels(rng)
    whole = film(pixels, syntax=syntax)
    for data in (whole[132:], whole[len(meta(syntax)) :]):  # without preamble; without meta information too
        got = read(data)
        np.testing.assert_array_equal(got.image, pixels)
        assert got.header.transfer_syntax == syntax


def test_what_lies_above_the_stored_bits_is_cut_off(read):
    pixels = ramp([0, 100, 4095], np.uint16)
    window = {CENTER: ("DS", "2048"), WIDTH: ("DS", "4096")}
    got = read(film(pixels | 0xF000, stored=12, extra=window)).image
    np.testing.assert_array_equal(got.ravel()[:3], [0, 6, 255])


def test_items_that_are_not_needed_may_be_broken(read, rng):
    pixels = soft_pixels(rng)
    extra = {0x00081140: ("SQ", item(b"garbage!" * 5)), 0x00091001: ("UN", b"\xfe\xff\x00\xe0" * 4)}
    np.testing.assert_array_equal(read(film(pixels, extra=extra)).image, pixels)


def test_sequences_of_open_length_are_stepped_over(read, rng):
    pixels = soft_pixels(rng)
    inner = element(0x00081150, "UI", "1.2") + element(0x7FE00010, "OW", b"no pixels of ours")
    data = film(pixels)
    at = data.index(element(0x00080060, "CS", "CR")) + 10
    open_item = item(inner, length=0xFFFFFFFF) + b"\xfe\xff\x0d\xe0\0\0\0\0"
    sequence = element(0x00081140, "SQ", open_item + b"\xfe\xff\xdd\xe0\0\0\0\0", length=0xFFFFFFFF)
    np.testing.assert_array_equal(read(data[:at] + sequence + data[at:]).image, pixels)


# 3. pydicom's own files, against pydicom.

TABLE = {
    "JPEG-lossy.dcm": "read", "JPGExtended.dcm": "read", "JPEG2000.dcm": "read", "693_J2KI.dcm": "read",
    "JPEG2000-embedded-sequence-delimiter.dcm": "undecodable", "J2K_pixelrep_mismatch.dcm": "read",
    "GDCMJ2K_TextGBR.dcm": "undecodable", "CT_small.dcm": "read", "MR_small.dcm": "read", "MR_small_RLE.dcm": "read",
    "MR_small_bigendian.dcm": "read", "MR_small_expb.dcm": "read", "MR_small_implicit.dcm": "read",
    "MR_small_jp2klossless.dcm": "read", "MR_small_jpeg_ls_lossless.dcm": "read", "MR_small_padded.dcm": "wrong-sizes",
    "MR_truncated.dcm": "truncated", "ExplVR_BigEnd.dcm": "read", "ExplVR_BigEndNoMeta.dcm": "no-pixels",
    "ExplVR_LitEndNoMeta.dcm": "no-pixels", "image_dfl.dcm": "read", "SC_rgb_jpeg_gdcm.dcm": "read",
    "SC_rgb_jpeg.dcm": "read", "SC_rgb_jpeg_dcmd.dcm": "read", "SC_rgb_dcmtk_+eb+cr.dcm": "read",
    "SC_rgb_dcmtk_+eb+cy+np.dcm": "read", "SC_ybr_full_422_uncompressed.dcm": "read", "SC_rgb_rle.dcm": "read",
    "SC_rgb_rle_16bit.dcm": "read", "SC_rgb_rle_32bit.dcm": "depth", "SC_rgb_rle_2frame.dcm": "multi-frame",
    "SC_rgb_rle_32bit_2frame.dcm": "multi-frame", "SC_rgb_small_odd.dcm": "too-small", "SC_rgb_gdcm_KY.dcm": "read",
    "badVR.dcm": "bad-value", "liver_1frame.dcm": "depth", "rtdose.dcm": "multi-frame", "rtdose_1frame.dcm": "depth",
    "meta_missing_tsyntax.dcm": "bad-value", "nested_priv_SQ.dcm": "bad-value", "no_meta.dcm": "not-dicom",
    "rtplan.dcm": "no-pixels", "rtplan_truncated.dcm": "truncated", "reportsi.dcm": "no-pixels",
    "waveform_ecg.dcm": "no-pixels", "zipMR.gz": "not-dicom", "README.txt": "not-dicom", "test1.json": "not-dicom",
    "DICOMDIR": "no-pixels", "DICOMDIR-empty.dcm": "no-pixels", "UN_sequence.dcm": "no-pixels", "6154": "read",
    "examples_jpeg2k.dcm": "read", "examples_palette.dcm": "read", "examples_ybr_color.dcm": "multi-frame",
    "JPEGLSNearLossless_08.dcm": "read", "JPEGLSNearLossless_16.dcm": "read", "SC_rgb_jls_lossy_line.dcm": "read",
    "crayons.icc": "not-dicom",
}  # fmt: skip


def outcome(path):
    """Return "read" or the kind of the refusal; the image has to be what it should be."""
    try:
        image = read_image(path).image
    except DicomError as error:
        assert str(path) in str(error) and error.text.endswith(KINDS[error.kind])
        return error.kind
    assert image.ndim == 2 and image.dtype == np.uint8 and image.flags.c_contiguous
    return "read"


def test_every_file_of_pydicom_is_read_or_refused_by_name():
    files = sorted(path for path in PYDICOM_FILES.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    assert len(files) > 170
    found = {path: outcome(path) for path in files}
    here = {path.name: kind for path, kind in found.items() if path.name in TABLE}
    assert here == {name: TABLE[name] for name in here} and len(here) >= 48
    assert set(found.values()) <= {"read", *KINDS}


def pydicom_pixels(dataset):
    """Return the pixels as pydicom decodes them; for 12 bit JPEG pydicom 3 has to be asked for its older way."""
    if dataset.file_meta.TransferSyntaxUID == EXTENDED and hasattr(dataset, "pixel_array_options"):
        dataset.pixel_array_options(use_v2_backend=True)
    pixels = dataset.pixel_array
    colour = str(dataset.PhotometricInterpretation)
    if colour.startswith("YBR_FULL") and pydicom.__version__.startswith("2."):
        return convert_color_space(pixels, colour, "RGB")
    return apply_color_lut(pixels, dataset) if colour == "PALETTE COLOR" else pixels


def pydicom_levels(dataset):
    """Return grey levels from 0 to 255 as pydicom would have them: its pixels, its tables, its windows."""
    pixels = pydicom_pixels(dataset)
    if pixels.ndim == 3:
        shift = 8 * (pixels.itemsize - 1)
        return np.asarray(Image.fromarray((pixels >> shift).astype(np.uint8)).convert("L")).astype(float)
    values = apply_modality_lut(pixels, dataset).astype(float)
    if dataset.get("WindowWidth"):
        low, high = apply_windowing(np.array([-1e9, 1e9]), dataset)
        levels = (apply_voi_lut(values, dataset) - low) / (high - low) * 255
    elif pixels.dtype == np.uint8:
        levels = values
    else:
        ordered = np.sort(values, axis=None)
        low, high = (ordered[int(share * (ordered.size - 1))] for share in (0.005, 0.995))
        levels = np.clip((values - low) / (high - low) * 255, 0, 255)
    return 255 - levels if dataset.PhotometricInterpretation == "MONOCHROME1" else levels


def test_levels_are_pydicoms():
    compared = 0
    for path in sorted((PYDICOM_FILES / "test_files").rglob("*")):
        if not path.is_file() or path.suffix == ".pyc" or outcome(path) != "read":
            continue
        got = read_image(path).image.astype(float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(str(path))
            want = pydicom_levels(dataset)
        # Colour: Pillow's decoder against GDCM's, which spread shared colours differently, and Pillow's integer luma.
        coloured = dataset.SamplesPerPixel == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"
        tolerance = 3.0 if coloured else 0.51
        np.testing.assert_allclose(got, want, atol=tolerance, err_msg=path.name)
        compared += 1
    assert compared >= 60


def test_the_same_image_in_seven_codings():
    names = ("", "_RLE", "_bigendian", "_expb", "_implicit", "_jp2klossless", "_jpeg_ls_lossless")
    images = [read_image(PYDICOM_FILES / "test_files" / f"MR_small{name}.dcm").image for name in names]
    assert images[0].std() > 30
    for image in images[1:]:
        np.testing.assert_array_equal(image, images[0])


@pytest.mark.skipif(not RSNA.is_dir(), reason=f"the real films are not at {RSNA}")
def test_real_films_are_what_pillow_decodes():
    paths = sorted(RSNA.glob("*.dcm"))
    assert len(paths) == 239
    for path in paths:
        got = read_image(path)
        data = path.read_bytes()
        frame = data[data.index(b"\xff\xd8\xff") :]  # a JPEG ends at its end marker, whatever follows
        assert got.image.shape == (1024, 1024) and got.header.transfer_syntax == BASELINE
        np.testing.assert_array_equal(got.image, np.asarray(Image.open(io.BytesIO(frame))))


def test_an_encapsulated_frame_may_hold_what_looks_like_its_end(read, rng):
    # Pixel data end at a delimiter that stands where a fragment could begin, not at the first that looks like it.
    pixels = soft_pixels(rng)
    frame = pillow_frame(pixels, "JPEG", quality=70)
    comment = b"\xff\xfe\x00\x0c" + b"\xfe\xff\xdd\xe0\0\0\0\0\0\0"
    frame = frame[:2] + comment + frame[2:]
    assert encapsulated(frame).count(b"\xfe\xff\xdd\xe0") == 2
    want = np.asarray(Image.open(io.BytesIO(frame)))
    np.testing.assert_array_equal(read(film(pixels, syntax=BASELINE, frame=frame)).image, want)
