"""The figures and the gallery of a report, as data that stand in the page itself."""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np

from mini_rcnn.data.dicom import read_image
from mini_rcnn.data.errors import DicomError

from .images import gallery
from .words import number_text, things


class Picture(NamedTuple):
    """A picture of the report."""

    title: str
    uri: str  # data:
    alt: str
    caption: str


class Sheet(NamedTuple):
    """One kind of films of the gallery."""

    title: str
    caption: str
    pictures: list  # of Picture


# For each figure: its function in `view`, its title, and how to read it.
CAPTIONS = (
    ("precision_recall", "Precision and recall",
     "Each threshold is a point: a low one finds more boxes (right) and makes more false marks (down). The nearer the "
     "curve comes to the upper right corner, the better."),
    ("froc", "FROC",
     "How many boxes are found when so many false marks an image are put up with. The dashed line counts false marks "
     "on images without a box alone; where a line ends, no more was predicted (dotted)."),
    ("roc", "ROC, image by image",
     "Is there something on the image at all? Its best score answers. The nearer the curve comes to the upper left "
     "corner, the better; the dotted line is what guessing gives."),
    ("calibration", "Calibration",
     "Of what scores 0.8, eight in ten should be right: on the dotted line they are, below it the scores promise too "
     "much. Larger marks stand for more boxes or images."),
    ("scores", "Best score of each image, by class",
     "The scores of images with an opacity should lie far to the right, those of the others far to the left. Right of "
     "the black line, the threshold, an image is marked. The axis is logarithmic, so that a few images can be seen."),
    ("false_marks", "False marks by class and view",
     "How many marks an image has that meet no box. Views are how the film was taken: PA standing, from the back; AP "
     "mostly lying, from the front."),
    ("sweep", "What each threshold would do",
     "Read upwards from a threshold: a good one has a high blue line and a low dotted red one. The black line is the "
     "threshold of this report."),
    ("times", "Time for an image",
     "How long the network took for one prepared film. The dashed line is the median."),
)  # fmt: skip
SHEETS = {
    "best": ("Best", "Films with an opacity where prediction and truth agree most."),
    "worst": ("Worst", "Films with an opacity that were marked, but beside the truth or in part."),
    "missed": ("Missed", "Films with an opacity and no mark at all."),
    "false alarms": ("False alarms", "Films without a box that got one all the same, the surest first."),
}


def uri_of(content, kind):
    """Return bytes as a data URI.

    >>> uri_of(b"abc", "image/png")
    'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def figures_of(results):
    """Return the Picture of each figure that there is something for."""
    from mini_rcnn.view import evaluation, evaluation_bars

    drawn = []
    for name, title, caption in CAPTIONS:
        place = evaluation if hasattr(evaluation, f"{name}_figure") else evaluation_bars
        figure = getattr(place, f"{name}_figure")(results)
        if figure is not None:
            uri = uri_of(evaluation.png_of(figure), "image/png")
            drawn.append(Picture(title, uri, f"{title}. {alt_of(name, results)}", caption))
    return drawn


def alt_of(name, results):
    """Return what a figure shows, in numbers, for those who do not see it."""
    summary = results["summary"]
    figures = summary["figures"]
    text = {
        "precision_recall": f"At the threshold recall is {number_text(figures['recall'])} and precision "
        f"{number_text(figures['precision'])}; the area under the curve is {number_text(figures['voc_ap'])}.",
        "froc": f"The mean sensitivity at 1/8 to 8 false marks an image is {number_text(figures['froc'])}.",
        "roc": f"The area under the curve is {number_text(figures['auc'])}.",
        "calibration": f"The mean gap between score and share is {number_text(summary['calibration']['boxes']['ece'])} "
        f"for boxes and {number_text(summary['calibration']['images']['ece'])} for images.",
        "scores": f"{number_text(figures['healthy_marked_share'])} of the images without a box are marked.",
        "false_marks": "; ".join(
            f"{row['class']}, view {row['view']}: {row['per_image']:.2f} an image" for row in results["false_marks"]
        ),
        "sweep": f"The best RSNA score is {number_text(summary['rsna']['best'])} at a threshold of "
        f"{number_text(summary['rsna']['best_threshold'])}.",
        "times": "" if results["seconds"] is None else f"The median is {1000 * results['seconds']['median']:.0f} ms.",
    }
    return text[name]


def gallery_of(evaluation, *, limit=6):
    """Return the sheets of the gallery, and what is to be said of films that are not there.

    Parameters
    ----------
    evaluation : mini_rcnn.evaluating.measure.Evaluation
    limit : int
        Films of each kind.

    Returns
    -------
    sheets : list of Sheet
        Only those with a film; a film that is absent or broken is passed over.
    notes : list of str
    """
    if not any(record.path for record in evaluation.records):
        return [], ["The films are not there, so the report has no gallery."]
    kept = evaluation.detections.above(evaluation.results["summary"]["threshold"])
    sheets, notes = [], []
    for kind, rows in gallery(evaluation.images, limit=limit).items():
        pictures = []
        for row in rows:
            try:
                picture = picture_of(evaluation, kept, row)
            except DicomError as error:
                name = evaluation.records[row].id
                notes.append(f"The film {name} of the gallery cannot be read: {error.text}")
                continue
            pictures += [picture] if picture else []
        if pictures:
            sheets.append(Sheet(*SHEETS[kind], pictures))
    return sheets, notes


def picture_of(evaluation, kept, row):
    """Return the Picture of an image, or None where its film is absent."""
    from mini_rcnn.view.evaluation_gallery import film_jpeg

    record, images = evaluation.records[row], evaluation.images
    if record.path is None:
        return None
    (_, truth, boxes, scores), *_ = kept.of_images(np.array([row])).images()
    jpeg = film_jpeg(read_image(record.path).image, truth=truth, boxes=boxes, scores=scores)
    rsna = images.rsna[row]
    what = f"{record.class_name}; truth: {things(len(truth), 'box')}, predicted: {things(len(boxes), 'box')}"
    score = "" if np.isnan(rsna) else f"; RSNA score {rsna:.2f}"
    best = f"; best score {images.best_score[row]:.2f}"
    return Picture(record.id, uri_of(jpeg, "image/jpeg"), f"Film {record.id}. {what}{best}{score}", what + best + score)
