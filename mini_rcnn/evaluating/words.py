"""An evaluation in words: what each figure is called and means, what was found, and what to do next."""

from __future__ import annotations

from mini_rcnn.data.text_tables import Table, format_table, share
from mini_rcnn.metrics.counts import SURE

STATEMENT = "This software teaches. It is no medical device, and what it marks is no diagnosis."
# What each figure of a summary is called, and what it means.
FIGURES = {
    "rsna": (
        "RSNA score",
        "the challenge's own: right marks of all marks and misses, at eight overlaps, image by image",
    ),
    "voc_ap": ("AP at overlap 0.5", "area under precision against recall, over all predictions (VOC)"),
    "coco_ap": ("AP at overlaps 0.5 to 0.95", "the same at ten overlaps: boxes have to be drawn well, too (COCO)"),
    "froc": ("FROC", "boxes found, mean over 1/8 to 8 false marks an image"),
    "froc_healthy": ("FROC, healthy", "the same with false marks counted on images without a box"),
    "auc": ("AUC of images", "chance that an image with a box scores more than one without"),
    "precision": ("precision", "marks that are right"),
    "recall": ("recall", "boxes of the truth that are found"),
    "f1": ("F1", "precision and recall in one number"),
    "sensitivity": ("sensitivity", "images with a box that are marked"),
    "specificity": ("specificity", "images without a box that are left alone"),
    "youden": ("Youden's J", "sensitivity + specificity - 1; 0 is chance"),
    "healthy_marked_share": ("healthy marked", "images without a box that are marked all the same"),
    "healthy_sure_share": ("healthy marked, sure", f"the same with a score of {SURE} or more"),
    "false_marks_per_healthy_image": ("false marks, healthy", "marks on an image without a box, mean"),
}
GROUP_FIGURES = ("rsna", "voc_ap", "auc", "recall", "precision", "healthy_marked_share")


def number_text(value):
    """Return a figure with three digits, "-" where there is none.

    >>> number_text(0.12345), number_text(None)
    ('0.123', '-')
    """
    return "-" if value is None else f"{value:.3f}"


def interval_text(interval):
    """Return an interval as "low to high", nothing where there is none."""
    if interval is None or interval["low"] is None:
        return ""
    return f"{interval['low']:.3f} to {interval['high']:.3f}"


def things(count, noun):
    """Return a count with its noun.

    >>> things(1, "box"), things(2300, "image")
    ('1 box', '2,300 images')
    """
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith('x') else 's'}"


def told(results):
    """Return in plain words what was found, what was missed and how many healthy images were marked: sentences."""
    summary = results["summary"]
    images, boxes, marked = summary["set"], summary["counts"]["boxes"], summary["counts"]["images"]
    sure = summary["counts"]["images_sure"]["healthy_marked"]
    n_truths, n_marks = images["truths"], boxes["true_positive"] + boxes["false_positive"]
    sentences = [
        f"{things(images['images'], 'image')} of {things(images['patients'], 'patient')} were evaluated; "
        f"{images['ill']:,} of them show {things(n_truths, 'box')} of the truth."
    ]
    if n_truths:
        hits = boxes["true_positive"]
        sentences.append(
            f"{hits:,} of these boxes were found ({share(hits, n_truths)}), {boxes['false_negative']:,} were missed; "
            f"{marked['ill_unmarked']:,} images with a box have no mark at all."
        )
    sentences.append(
        f"Of {things(n_marks, 'mark')} {boxes['false_positive']:,} are false." if n_marks else "Nothing was marked."
    )
    if images["healthy"]:
        n_healthy = marked["healthy_marked"]
        more = f", {sure or 'none'} of them with a score of {SURE} or more" if n_healthy else ""
        sentences.append(
            f"{n_healthy:,} of {things(images['healthy'], 'image')} without a box were marked all the same "
            f"({share(n_healthy, images['healthy'])}){more}."
        )
    rsna = summary["figures"]["rsna"]
    sentences.append(
        "The challenge's score has nothing to be counted on."
        if rsna is None
        else f"The challenge's score is {rsna:.3f}, where 1 is perfect."
    )
    return sentences


def rule(results):
    """Return what counts as found, in a sentence."""
    threshold, iou = results["summary"]["threshold"], results["summary"]["iou"]
    kept = f"Predictions that score at least {threshold:.2f} count" if threshold else "All predictions count"
    return f"{kept}; one finds a box where they overlap by at least {iou} (intersection over union)."


def terminal(results, out, files, notes, command):
    """Return what a person reads when the evaluation has ended.

    Parameters
    ----------
    results : dict
        Of `mini_rcnn.evaluating.measure.evaluate`.
    out : path
    files : sequence of str
    notes : sequence of str
    command : str
        That evaluates the same predictions once more.
    """
    summary = results["summary"]
    intervals = summary["intervals"] or {}
    level = f"{100 * summary['bootstrap']['level']:.0f} % of draws"
    rows = [
        (label, number_text(summary["figures"][name]), interval_text(intervals.get(name)))
        for name, (label, _) in FIGURES.items()
    ]
    rows = rows if intervals else [row[:2] for row in rows]
    table = Table(("figure", "value", level) if intervals else ("figure", "value"), rows)
    lines = [" ".join(told(results)), rule(results), "", format_table(table), ""]
    lines += [f"Note: {note}" for note in notes]
    lines += [f"Written to {out}: {', '.join(files)}", f"Next: open {out / 'report.html'} in a browser."]
    best, at = summary["rsna"]["best"], summary["rsna"]["best_threshold"]
    if best is not None and best > (summary["figures"]["rsna"] or 0) + 0.005:
        lines.append(
            f"Next: the best RSNA score on these very images would be {best:.3f}, at {at:.3f}. Choose a threshold on "
            f"films that are not reported, then: {command} --threshold T"
        )
    return "\n".join([*lines, STATEMENT])
