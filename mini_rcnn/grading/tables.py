"""What a class earned, as tables: for the terminal, for a spreadsheet, for Moodle and for Canvas."""

from __future__ import annotations

import csv
import io
import unicodedata

COLUMNS = ("student", "id", "file", "lab", "exercise", "verdict", "seconds", "what", "hint", "note", "seed")
RUNS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is run by spreadsheets
UNREADABLE = "unreadable"
WIDEST = 60


def rows_of(graded, seed):
    """Return a dict for each exercise of each submission, or one for a submission that could not be graded."""
    rows = []
    for one in graded:
        about = {
            "student": one.submission.student, "id": one.submission.id, "file": one.submission.file, "lab": one.lab,
            "exercise": "", "verdict": "", "seconds": "", "what": "", "hint": "", "note": "; ".join(one.notes),
            "seed": seed,
        }  # fmt: skip
        if one.unreadable:
            rows.append({**about, "verdict": UNREADABLE, "what": one.unreadable})
        elif not one.marks:
            rows.append({**about, "note": "; ".join(["this lab has no exercises", *one.notes])})
        for name, mark in one.marks.items():
            note = "; ".join(filter(None, [mark["note"], *one.notes]))
            rows.append(
                {**about, "exercise": name, **mark, "seconds": f"{mark['seconds']:.1f}", "note": note}
            )  # fmt: skip
    return rows


def harmless(cell):
    """Return a cell that no spreadsheet runs.

    >>> harmless("=1+1"), harmless("Kim"), harmless(7)
    ("'=1+1", 'Kim', '7')
    """
    text = str(cell)
    return "'" + text if text.startswith(RUNS) else text


def csv_text(header, rows):
    """Return a table as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def details_text(rows):
    """Return the rows as CSV; it begins with the mark by which Excel knows UTF-8."""
    return "\ufeff" + csv_text(COLUMNS, [[row[name] for name in COLUMNS] for row in rows])


def scores(graded, points):
    """Return ``{submission: {lab: points}}``, a row a student; of two files of a lab the better one counts."""
    found, first = {}, {}
    for one in graded:
        who = one.submission.student, one.submission.id, one.submission.system
        labs = found.setdefault(first.setdefault(who, one.submission), {})
        if one.marks and not one.unreadable:
            share = sum(mark["verdict"] == "ok" for mark in one.marks.values()) / len(one.marks)
            labs[one.lab] = max(labs.get(one.lab, 0.0), round(points * share, 2))
    return found


def moodle_texts(graded, points):
    """Return ``{lab: text}``, one grading worksheet a lab, as an assignment's "Upload grading worksheet" takes it.

    Notes
    -----
    Moodle (``mod/assign/feedback/offline``) looks for the columns Identifier, Grade and Last modified (grade), by their
    names in the language of whoever uploads, here English. Identifier is "Participant" and the number that stands in
    the folders of the downloaded submissions. Where a grade is there already it is left, unless the teacher ticks
    that newer ones may be replaced: no date is older than any.
    """
    header = ("Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)")
    found = scores(graded, points)
    texts = {}
    for lab in sorted({lab for labs in found.values() for lab in labs}):
        rows = [
            (f"Participant {who.id}" * (who.system == "moodle"), who.student, shown(labs[lab]), shown(points), "")
            for who, labs in found.items()
            if lab in labs
        ]
        texts[lab] = csv_text(header, rows)
    return texts


def canvas_text(graded, points):
    """Return a table as Canvas's gradebook imports it: a column a lab, and a row with the points that there are.

    Notes
    -----
    Canvas (``lib/gradebook_importer.rb``) finds a student by ID, the number after the name in the downloaded file's
    name, else by the name. A column is an assignment of that title; Canvas offers to make one that is missing.
    """
    found = scores(graded, points)
    labs = sorted({lab for row in found.values() for lab in row})
    rows = [["    Points Possible", "", "", "", "", *[shown(points)] * len(labs)]]
    for who, row in found.items():
        rows.append(
            [
                who.student,
                who.id * (who.system == "canvas"),
                "",
                "",
                "",
                *[shown(row[lab]) if lab in row else "" for lab in labs],
            ]
        )
    header = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", *[f"Lab {lab}" for lab in labs])
    return csv_text(header, rows)


def shown(number):
    """Return points without zeros that say nothing.

    >>> shown(100.0), shown(66.67)
    ('100', '66.67')
    """
    return f"{number:.2f}".rstrip("0").rstrip(".")


def summary(graded, points):
    """Return what is shown in the terminal, line by line: a submission a line."""
    lines = [("student", "lab", "ok", "no", "todo", "points", "file and notes")]
    for one in graded:
        verdicts = [mark["verdict"] for mark in one.marks.values()]
        counts = [str(verdicts.count(kind)) for kind in ("ok", "no", "todo")] if verdicts else ["", "", ""]
        earned = shown(points * verdicts.count("ok") / len(verdicts)) if verdicts else ""
        said = "; ".join(
            filter(None, [one.submission.file, one.unreadable and f"NOT GRADED: {one.unreadable}", *one.notes])
        )
        lines.append((one.submission.student, one.lab, *counts, earned, said))
    widths = [max(width(line[place]) for line in lines) for place in range(6)]
    return ["  ".join([*map(padded, line, widths), line[6]]).rstrip() for line in lines]


def by_exercise(graded):
    """Return how many are ok, no and todo, exercise by exercise, and the hint most often given, line by line."""
    names = {}
    for one in graded:
        for name, mark in one.marks.items():
            names.setdefault((one.lab, name), []).append(mark)
    lines = []
    for (lab, name), marks in sorted(names.items()):
        counts = ", ".join(f"{sum(mark['verdict'] == kind for mark in marks)} {kind}" for kind in ("ok", "no", "todo"))
        lines.append(f"lab {lab}, {name}: {counts}")
        hints = [mark["hint"] for mark in marks if mark["hint"]]
        if hints:
            most = max(sorted(set(hints)), key=hints.count)
            lines.append(f"    the hint most often given ({hints.count(most)}): {most}")
    return lines


def width(text):
    """Return how many columns of a terminal a text takes: Korean letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text, columns):
    """Return a text filled with spaces to so many columns."""
    return text + " " * (min(columns, WIDEST) - width(text))
