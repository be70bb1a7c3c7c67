"""The curves of a run: what is drawn is what the tables say, and long, short, empty and broken runs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from test_view_data import png_chunks, untidy

from mini_rcnn.data.errors import DataError
from mini_rcnn.view.curves import LOSSES, curves_figure, draw_curves
from mini_rcnn.view.run_tables import read_columns, smoothed

PARTS = ("total", *LOSSES)
STEPS = ("epoch", "step", "rate", *PARTS)
EPOCHS = ("epoch", *(f"{side}_{part}" for side in ("train", "validation") for part in PARTS), "rsna", "best")


def write(path, columns, rows):
    cells = [[repr(value) if value is not None else "" for value in row] for row in rows]
    path.write_text("\n".join([",".join(columns), *map(",".join, cells)]) + "\n")


def write_run(folder, rng, n_epochs, n_steps, *, rsna=True, spike=False, left=0):
    """Write the tables of a run whose losses fall; ``left`` steps follow the last whole epoch."""
    places = [(epoch, step) for epoch in range(n_epochs) for step in range(n_steps)]
    places += [(n_epochs, step) for step in range(left)]
    losses = rng.gamma(5, 0.1, (len(places), 5)) * np.linspace(2, 0.5, len(places))[:, None]
    if spike:
        losses[len(places) // 2] = 90
    rows = [(*place, 0.01, float(part.sum()) + 0.1, *part.tolist()) for place, part in zip(places, losses)]
    write(folder / "steps.csv", STEPS, rows)
    told = []
    for epoch in range(n_epochs):
        mean = np.mean([row[3:] for row in rows if row[0] == epoch], axis=0)
        told.append((epoch, *mean.tolist(), *(1.1 * mean).tolist(), 0.1 * epoch if rsna else None, int(epoch != 1)))
    write(folder / "epochs.csv", EPOCHS, told)
    return rows, told


def figure_of(folder):
    return curves_figure(read_columns(folder / "steps.csv"), read_columns(folder / "epochs.csv"))


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_lines_are_the_tables_numbers(tmp_path, rng):
    rows, told = write_run(tmp_path, rng, 3, 8)
    figure = figure_of(tmp_path)
    total, parts, epochs, score, rate = figure.axes
    np.testing.assert_array_equal(lines(total)["total"].get_xydata(), [(i + 1, row[3]) for i, row in enumerate(rows)])
    for k, (label, *_) in enumerate(LOSSES.values()):
        np.testing.assert_array_equal(lines(parts)[label].get_ydata(), [row[4 + k] for row in rows])
    np.testing.assert_array_equal(lines(epochs)["train"].get_ydata(), [row[1] for row in told])
    np.testing.assert_array_equal(lines(epochs)["validation"].get_ydata(), [row[7] for row in told])
    np.testing.assert_array_equal(score.get_lines()[0].get_ydata(), [0, 0.1, 0.2])
    np.testing.assert_array_equal(lines(epochs)["best"].get_xdata(), [2, 2])  # the last that was best so far
    np.testing.assert_array_equal(rate.get_lines()[0].get_ydata(), [0.01] * 24)
    assert figure.texts[0].get_text() == (
        f"24 steps, 3 whole epochs; best: epoch 2, validation loss {told[2][7]:.3f}, RSNA score 0.200"
    )


def test_many_steps_are_a_mean_over_faint_points(tmp_path, rng):
    rows, _ = write_run(tmp_path, rng, 2, 4000)
    points, mean = figure_of(tmp_path).axes[0].get_lines()
    assert points.get_alpha() < 0.3 and len(points.get_xdata()) == 3000
    values = np.array([row[3] for row in rows])
    place = int(mean.get_xdata()[1500]) - 1
    assert mean.get_ydata()[1500] == pytest.approx(values[place - 100 : place + 101].mean(), rel=1e-9)


def test_the_mean_leaves_out_what_is_no_number():
    np.testing.assert_allclose(smoothed(np.array([1, np.nan, 3, 5, np.inf]), 3), [1, 2, 4, 4, 5])
    assert np.isnan(smoothed(np.array([np.nan]), 3)).all()
    np.testing.assert_array_equal(smoothed(np.arange(4.0), 1), np.arange(4))


def test_a_spike_does_not_flatten_the_rest(tmp_path, rng):
    write_run(tmp_path, rng, 2, 200, spike=True)
    axes = figure_of(tmp_path).axes[0]
    assert axes.get_ylim()[1] < 20
    assert [text.get_text() for text in axes.texts] == ["1 step above, up to 450"]


RUNS = {
    "whole": (3, 8, {}),
    "one step": (1, 1, {}),
    "begun": (0, 0, {"left": 1}),
    "going on": (2, 30, {"left": 7, "rsna": False}),
    "long": (21, 300, {"spike": True}),
    "empty": (0, 0, {}),
}


@pytest.mark.parametrize("name", RUNS)
def test_any_run_makes_a_tidy_picture(name, tmp_path, rng):
    n_epochs, n_steps, options = RUNS[name]
    write_run(tmp_path, rng, n_epochs, n_steps, **options)
    assert untidy(figure_of(tmp_path)) == []
    assert draw_curves(tmp_path) == tmp_path / "curves.png"
    content = (tmp_path / "curves.png").read_bytes()
    assert set(png_chunks(content)) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    with Image.open(str(tmp_path / "curves.png")) as picture:
        assert picture.size == (1280, 720)
    draw_curves(tmp_path)
    assert (tmp_path / "curves.png").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "epochs.csv", "steps.csv"]


def test_no_validation_and_losses_that_are_no_numbers(tmp_path, rng):
    write_run(tmp_path, rng, 2, 3)
    epochs = read_columns(tmp_path / "epochs.csv")
    steps = read_columns(tmp_path / "steps.csv")
    for name in epochs:
        if name.startswith("validation"):
            epochs[name][:] = np.nan
    for name in PARTS:
        steps[name][-1] = np.nan
    figure = curves_figure(steps, epochs)
    assert untidy(figure) == [] and "validation" not in lines(figure.axes[2])
    for name in PARTS:
        steps[name][:] = np.nan
    assert untidy(curves_figure(steps, epochs)) == []


def test_a_line_that_is_being_written_is_no_row(tmp_path, rng):
    write_run(tmp_path, rng, 1, 4)
    path = tmp_path / "steps.csv"
    path.write_text(path.read_text() + "1,0,0.01,0.")
    assert len(read_columns(path)["total"]) == 4


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "steps.csv: is not there"),
        ("", "is empty"),
        ("epoch,step\n1\n", "different lengths"),
        ("a,b\n1,x\n", "could not convert"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "steps.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        draw_curves(tmp_path)
    assert not (tmp_path / "curves.png").exists()
