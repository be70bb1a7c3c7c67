"""The figures of the data: bars as high as the counts, boxes where they belong, files without a word in them."""

from __future__ import annotations

import contextlib
import io
import struct
import uuid
import warnings

import matplotlib
import numpy as np
import pydicom
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from mini_rcnn.cli import main as cli
from mini_rcnn.data.augment import SLIDES, Step
from mini_rcnn.data.rsna import CLASSES, Record, counts
from mini_rcnn.data.write_dicom import film_bytes
from mini_rcnn.view import style
from mini_rcnn.view.data_figures import box_place_map, box_size_chart, boxes_per_image_chart, class_chart
from mini_rcnn.view.describe import (
    count_figures,
    example_steps,
    film_figures,
    film_title,
    masks_of_boxes,
    pick_records,
)
from mini_rcnn.view.films import augmentation_sheet, contact_sheet, side_by_side, step_text
from mini_rcnn.view.people import people_chart

NORMAL, OTHER, OPACITY = CLASSES
BOX = np.array([[10.0, 20.0, 40.0, 50.0]])


def film(size=64, level=100):
    return np.full((size, size), level, dtype=np.uint8)


def title_of(figure):
    return figure.texts[0].get_text()


def rectangles(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle) and not patch.get_fill()]


def corners(patch):
    """Return (y1, x1, y2, x2) of a patch on an axes that shows a picture."""
    x, y = patch.get_xy()
    return y + 0.5, x + 0.5, y + 0.5 + patch.get_height(), x + 0.5 + patch.get_width()


def shown_labels(axis):
    """Return the labels of an axis that lie within what it shows; the others are there but not drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and axis.get_visible()]


def drawn_texts(figure):
    """Return every text of a figure with the rectangle of screen that it covers."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    texts = [*figure.texts]
    for axes in figure.axes:
        labels = [label for axis in (axes.xaxis, axes.yaxis) for label in shown_labels(axis)] if axes.axison else []
        texts += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *labels]
        texts += axes.get_legend().get_texts() if axes.get_legend() else []
    return [(text, text.get_window_extent(renderer)) for text in texts if text.get_visible() and text.get_text()]


def untidy(figure):
    """Return texts of a figure that are too small, leave the page or lie upon another."""
    page, found = figure.bbox, []
    texts = drawn_texts(figure)
    for index, (text, place) in enumerate(texts):
        words = text.get_text()
        if text.get_fontsize() < style.SMALL:
            found.append(f"{words} is small")
        if place.x0 < 0 or place.y0 < 0 or place.x1 > page.width or place.y1 > page.height:
            found.append(f"{words} leaves the page")
        for other, elsewhere in texts[index + 1 :]:
            width = min(place.x1, elsewhere.x1) - max(place.x0, elsewhere.x0)
            height = min(place.y1, elsewhere.y1) - max(place.y0, elsewhere.y0)
            if width > 1 and height > 1:
                found.append(f"{words} lies upon {other.get_text()}")
    return found


def png_chunks(content):
    chunks, at = [], 8
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        chunks.append(kind)
        at += 12 + length
    return chunks


BOXES = [BOX, np.zeros((0, 4)), np.concatenate([BOX, BOX + 10])]
PEOPLE = [NORMAL] * 40 + [OTHER] * 50 + [OPACITY] * 10
FIGURES = {
    "sheet": lambda: contact_sheet([film()] * 3, BOXES, ["one", "none", "two"], predicted=BOXES[::-1]),
    "many": lambda: contact_sheet([film(32)] * 24, None, ["Opacity, 2 boxes"] * 24),
    "beside": lambda: side_by_side([film()] * 8, [film()] * 5, left_boxes=[BOX] * 8, names=("phantoms", "real")),
    "classes": lambda: class_chart(CLASSES, [8851, 11821, 6012], [8851, 11821, 9555]),
    "per image": lambda: boxes_per_image_chart(range(5), [20672, 2614, 3266, 119, 13], [0, 23286, 3266, 119, 13]),
    "sizes": lambda: box_size_chart(np.concatenate([BOX, BOX * 2, BOX * 7])),
    "places": lambda: box_place_map(np.eye(8) / 2, n_boxes=9),
    "people": lambda: people_chart(PEOPLE, list(range(100)), ["F", "M"] * 50, (["PA"] * 9 + ["AP"]) * 10),
    "steps": lambda: augmentation_sheet(film(), masks_of_boxes(BOX, (64, 64)), example_steps(np.random.default_rng(0))),
}


# 1. Numbers and places, read back from what was drawn.


def test_class_bars_are_as_high_as_the_counts():
    figure = class_chart(CLASSES, [8851, 11821, 6012], [8851, 11821, 9555])
    images, rows = figure.axes[0].containers
    assert [bar.get_height() for bar in images] == [8851, 11821, 6012]
    assert [bar.get_height() for bar in rows] == [8851, 11821, 9555]
    assert title_of(figure).startswith("26,684 images, 30,227 rows")
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "8,851",
        "11,821",
        "6,012",
        "8,851",
        "11,821",
        "9,555",
    ]


def test_the_slip_of_counting_rows_is_in_the_picture():
    figure = boxes_per_image_chart(range(5), [20672, 2614, 3266, 119, 13], [0, 23286, 3266, 119, 13])
    images, rows = figure.axes[0].containers
    assert [bar.get_height() for bar in images] == [20672, 2614, 3266, 119, 13]
    assert [bar.get_height() for bar in rows] == [0, 23286, 3266, 119, 13]
    assert title_of(figure) == "23,286 images have one row: 20,672 of them no box, 2,614 one box"
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "images with so many boxes",
        "images with so many rows",
    ]


def test_box_sizes_are_the_boxes():
    boxes = np.array([[0.0, 0, 300, 200], [10, 10, 110, 310], [0, 0, 1024, 512]])
    left, right = box_size_chart(boxes).axes
    np.testing.assert_array_equal(left.collections[0].get_offsets(), [[200, 300], [300, 100], [512, 1024]])
    heights = [patch.get_height() for patch in right.patches]
    assert sum(heights) == 3 and heights[2] == 1 and heights[5] == 1 and heights[50] == 1  # 2.9, 5.7 and 50 %
    assert title_of(box_size_chart(boxes)) == "3 boxes: median 300 wide and 300 high, 5.7 % of the image"


def test_the_largest_box_falls_into_a_bar():
    right = box_size_chart(np.array([[0.0, 0, 1024, 1024]])).axes[1]
    assert sum(patch.get_height() for patch in right.patches) == 1


def test_the_map_shows_the_density():
    density = np.arange(16).reshape(4, 4) / 20
    figure = box_place_map(density, n_boxes=1234)
    (picture,) = figure.axes[0].images
    np.testing.assert_allclose(picture.get_array(), 100 * density)
    assert tuple(picture.get_extent()) == (0, 1024, 1024, 0)
    assert title_of(figure) == "Where 1,234 boxes lie: 75 % of them cover the brightest place"


def test_people_are_counted_by_class():
    classes = [OPACITY] * 4 + [NORMAL] * 2
    figure = people_chart(classes, [20, 40, 60, 150, None, 33], ["F", "F", "F", "M", "M", None], ["AP"] * 6)
    views, sexes, ages = figure.axes
    assert title_of(figure) == "Who is on 6 films (ages: 1 unknown, 1 above 120 years left out)"
    assert [label.get_text() for label in views.get_yticklabels()] == ["Normal\n(2)", "Lung Opacity\n(4)"]
    assert [patch.get_width() for patch in views.patches] == [1, 1]
    assert [patch.get_width() for patch in sexes.patches] == [0, 0.75, 0.5, 0.25, 0.5, 0]  # F, M, unknown by class
    assert [text.get_text() for text in ages.texts] == ["33", "40"]


def test_boxes_are_drawn_where_they_are():
    figure = contact_sheet([film()], [BOX], predicted=[BOX + 5])
    truth, guess = rectangles(figure.axes[0])
    np.testing.assert_allclose(corners(truth), BOX[0])
    np.testing.assert_allclose(corners(guess), BOX[0] + 5)
    assert truth.get_linestyle() == "-" and guess.get_linestyle() == "--"
    assert truth.get_edgecolor() != guess.get_edgecolor()


def test_a_box_frames_its_pixels_in_the_saved_picture(tmp_path):
    large = film(1024, 30)
    large[400:600, 200:500] = 255
    figure = contact_sheet([large], [np.array([[400.0, 200, 600, 500]])])
    np.testing.assert_allclose(corners(rectangles(figure.axes[0])[0]), [200, 100, 300, 250])  # thinned by 2
    style.save_png(figure, tmp_path / "a.png")
    pixels = np.asarray(Image.open(str(tmp_path / "a.png")).convert("RGB")).astype(int)
    place = figure.axes[0].get_position()
    inside = pixels[int((1 - place.y1) * 720) + 5 : int((1 - place.y0) * 720) - 5, int(place.x0 * 1280) + 5 :]
    sky = (np.abs(inside - [0x56, 0xB4, 0xE9]).sum(axis=2) < 60).nonzero()
    white = (inside[:, : int(place.width * 1280) - 10] > 240).all(axis=2).nonzero()
    for axis in (0, 1):  # the line lies on the edge of the bright patch, half of it outside
        assert abs(sky[axis].min() - white[axis].min()) <= 3 and abs(sky[axis].max() - white[axis].max()) <= 3


def test_boxes_of_an_augmentation_sheet_follow_the_pixels():
    masks = masks_of_boxes(BOX, (64, 64))
    steps = [Step("affine", {"shift": (0.25, 0)}), Step("blur", {"sigma": 0.12}), Step("brightness", {"factor": 1.15})]
    figure = augmentation_sheet(film(), masks, steps)
    got = [corners(rectangles(axes)[0]) for axes in figure.axes]
    np.testing.assert_allclose(got, [BOX[0], BOX[0] + [16, 0, 16, 0], BOX[0], BOX[0]])
    captions = [axes.get_title() for axes in figure.axes]
    assert captions[0] == "the film" and captions[2] == "blur 0.12\n0 % changed"
    assert captions[3] == "brightness 1.15\n100 % changed" and "25.0 % changed" in captions[1]


def test_example_steps_show_every_operation_and_the_ends_of_the_ranges():
    steps = example_steps(np.random.default_rng(0))
    names = [step.name for step in steps]
    assert names == ["affine"] * 2 + ["piecewise_affine"] * 2 + ["brightness"] * 2 + ["contrast"] * 2 + [
        "blur",
        "sharpen",
    ]
    assert steps[-2].values == {"sigma": SLIDES.blur[1]} and steps[4].values == {"factor": SLIDES.brightness[0]}
    assert "-0" not in step_text(Step("affine", {"shift": (-0.001, -0.004), "rotate": -0.01}))


# 2. Empty, one and many; tidy; told apart without colour.


@pytest.mark.parametrize("count", [0, 1, 2, 11])
def test_any_number_of_films_fits_on_the_page(count):
    for figure in (contact_sheet([film(16)] * count), side_by_side([film(16)] * count, [film(16)])):
        axes = [each for each in figure.axes if each.images]
        assert len(axes) in (count, count + 1)
        places = [each.get_position() for each in axes]
        assert all(p.x0 >= 0 and p.y0 >= 0 and p.x1 <= 1 and p.y1 < 0.95 for p in places)
        for index, a in enumerate(places):
            assert not any(a.overlaps(b) for b in places[index + 1 :])


def test_nothing_is_drawn_of_nothing_and_it_says_so():
    empty = (
        contact_sheet([]),
        side_by_side([], []),
        class_chart([], [], []),
        boxes_per_image_chart([], [], []),
        box_size_chart([]),
        box_place_map(np.zeros((4, 4)), n_boxes=0),
        people_chart([], [], [], []),
    )
    for figure in empty:
        assert any(text.get_text().startswith("no ") for axes in figure.axes for text in axes.texts)
        assert untidy(figure) == []
    assert len(augmentation_sheet(film(), masks_of_boxes(np.zeros((0, 4)), (64, 64)), []).axes) == 1


@pytest.mark.parametrize("name", list(FIGURES))
def test_no_text_is_small_or_lies_upon_another_or_leaves_the_page(name):
    assert untidy(FIGURES[name]()) == []


def test_the_test_of_tidiness_finds_an_untidy_figure():
    figure = style.new_figure("a title")
    figure.text(0.02, 0.95, "upon it", fontsize=5)
    figure.text(0.95, 0.5, "beyond the page", fontsize=style.LABEL)
    faults = untidy(figure)
    assert len(faults) == 3 and "small" in faults[1] and "upon" in faults[0] and "leaves" in faults[2]


def test_series_differ_without_colour():
    hatches = [hatch for _, hatch in style.SERIES]
    assert len(set(hatches)) == len(hatches)
    images, rows = class_chart(["a"], [1], [2]).axes[0].containers
    assert images[0].get_hatch() != rows[0].get_hatch()


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="same length, got names 2, images 1, rows 1"):
        class_chart(["a", "b"], [1], [1])
    with pytest.raises(ValueError, match="titles must have one entry for each film, got 1 for 2"):
        contact_sheet([film()] * 2, titles=["a"])
    with pytest.raises(ValueError, match="boxes of real must have one entry"):
        side_by_side([], [film()] * 2, right_boxes=[BOX], names=("phantoms", "real"))


# 3. Files: the same bytes, and nothing but a picture in them.


def test_the_same_input_gives_the_same_bytes_and_no_text(tmp_path):
    for index, name in enumerate(("sheet", "people")):
        for attempt in ("first", "second"):
            style.save_png(FIGURES[name](), tmp_path / f"{attempt}{index}.png")
        first, second = ((tmp_path / f"{attempt}{index}.png").read_bytes() for attempt in ("first", "second"))
        assert first == second
        assert set(png_chunks(first)) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
        assert Image.open(io.BytesIO(first)).size == (1280, 720)


def test_figures_leave_the_global_state_of_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    for name in ("sheet", "people", "places"):
        style.save_png(FIGURES[name](), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before


# 4. The command.


def records_like(spread):
    return [
        Record(f"{name[:2]}{i}", "there" if i % 2 == 0 else None, np.repeat(BOX, n, axis=0), name, f"{name}{i}")
        for name, n, count in spread
        for i in range(count)
    ]


def test_films_are_picked_evenly_from_the_classes_and_by_the_seed():
    records = records_like([(NORMAL, 0, 40), (OTHER, 0, 4), (OPACITY, 2, 30)])
    picked = pick_records(records, 12, np.random.default_rng(0))
    assert [record.class_name for record in picked] == [NORMAL] * 5 + [OTHER] * 2 + [OPACITY] * 5
    assert all(record.path for record in picked) and len({record.id for record in picked}) == 12
    assert picked == pick_records(records, 12, np.random.default_rng(0))
    assert picked != pick_records(records, 12, np.random.default_rng(1))
    assert len(pick_records(records, 1000, np.random.default_rng(0))) == 20 + 2 + 15
    assert pick_records(records, 0, np.random.default_rng(0)) == pick_records([], 5, np.random.default_rng(0)) == []
    assert [film_title(record) for record in picked[::5]] == ["Normal", "Not Normal", "Opacity, 2 boxes"]


def test_charts_agree_with_the_counts():
    records = records_like([(NORMAL, 0, 5), (OTHER, 0, 3), (OPACITY, 2, 4), (OPACITY, 1, 1)])
    figures = dict(count_figures(records, {}))
    assert list(figures) == ["classes", "boxes_per_image", "box_sizes", "box_places"]  # no headers, no people
    n = counts(records)
    assert [bar.get_height() for bar in figures["classes"].axes[0].containers[1]] == list(n.rows_by_class.values())
    assert [bar.get_height() for bar in figures["boxes_per_image"].axes[0].containers[0]] == [8, 1, 4]
    assert dict(count_figures([], {})).keys() == figures.keys()
    assert list(film_figures([], [], np.random.default_rng(0), n_images=0)) == []


IDS = [str(uuid.UUID(int=number)) for number in range(1, 5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of four films, each with a canary in its header, and one broken one."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "stage_2_train_images").mkdir()
    people = (("PA", "F", 41), ("AP", "M", 62), ("AP", "F", 55), ("PA", "M", 20))
    rng = np.random.default_rng(0)
    for name, (view, sex, age) in zip(IDS, people):
        image = np.clip(rng.normal(120, 40, (64, 64)), 0, 255).astype(np.uint8)
        content = film_bytes(image, name, view=view, sex=sex, age=age, spacing=0.168)
        dataset = pydicom.dcmread(io.BytesIO(content))
        dataset.PatientName, dataset.StudyDate, dataset.InstitutionName = "CANARY^ONE", "19010203", "CANARY"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.save_as(str(folder / "stage_2_train_images" / f"{name}.dcm"))
    boxes = {IDS[2]: ("10,12,20,30,1", "35,12,20,30,1")}
    labels = [f"{name},{row}" for name in IDS for row in boxes.get(name, (",,,,0",))]
    classes = [
        f"{name},{kind}" for name, kind in zip(IDS, (NORMAL, NORMAL, OPACITY, OTHER)) for _ in boxes.get(name, "1")
    ]
    for table, rows in (
        ("labels", ["patientId,x,y,width,height,Target", *labels]),
        ("class_info", ["patientId,class", *classes]),
    ):
        name = "stage_2_train_labels.csv" if table == "labels" else "stage_2_detailed_class_info.csv"
        (folder / name).write_text("\n".join(rows) + "\n")
    return folder


NAMES = ("classes", "boxes_per_image", "box_sizes", "box_places", "people", "films", "augmentation")


@pytest.fixture(scope="module")
def described(folder, tmp_path_factory):
    """Return ``(exit code, out, err, folder of figures)`` of two runs of the command."""
    runs = []
    for _ in range(2):
        figures, out, err = tmp_path_factory.mktemp("figures") / "new", io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli(["data", "describe", str(folder), "--out", str(figures)])
        runs.append((code, out.getvalue(), err.getvalue(), figures))
    return runs


def test_describe_prints_the_tables_and_writes_the_figures(described):
    code, out, err, figures = described[0]
    assert code == 0 and "left out" not in err
    lines = out.splitlines()
    assert any(line.split()[:2] == ["Normal", "2"] for line in lines)
    assert any(line.split() == ["all", "4", "4"] for line in lines)  # images by boxes and by rows
    assert lines[-len(NAMES) :] == [str(figures / f"{name}.png") for name in NAMES]
    assert sorted(path.name for path in figures.iterdir()) == sorted(f"{name}.png" for name in NAMES)


def test_describe_again_gives_the_same_bytes_and_no_canary_leaves(described):
    for name in NAMES:
        first, second = ((figures / f"{name}.png").read_bytes() for _, _, _, figures in described)
        assert first == second and set(png_chunks(first)) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
        assert b"CANARY" not in first and b"19010203" not in first
    said = "".join(out + err for _, out, err, _ in described)
    assert "CANARY" not in said and "1901" not in said


def test_describe_names_a_broken_film_and_ends_with_1(folder, tmp_path, capfd):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.rglob("*.*"):
        target = broken / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes()[: 400 if path.stem == IDS[1] else None])
    assert cli(["data", "describe", str(broken), "--out", str(tmp_path / "out")]) == 1
    _, err = capfd.readouterr()
    assert "left out: " in err and IDS[1] in err and "CANARY" not in err
    assert (tmp_path / "out" / "films.png").is_file()


def test_describe_of_tables_alone_draws_what_they_tell(folder, tmp_path, capfd):
    for path in folder.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert cli(["data", "describe", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == sorted(NAMES[:4])
    assert "No film to show" in capfd.readouterr().err


def test_describe_says_what_is_wrong_with_the_arguments(tmp_path, capfd):
    assert cli(["data", "describe", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert "stage_2_train_labels.csv" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        cli(["data", "describe", str(tmp_path), "--out", "x", "--films", "-1"])
    with pytest.raises(SystemExit) as ended:
        cli(["data", "describe", "--help"])
    assert ended.value.code == 0 and "example:" in capfd.readouterr().out
