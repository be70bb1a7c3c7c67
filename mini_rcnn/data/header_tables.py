"""What the films' headers say of age, sex and view, class by class, in images."""

from __future__ import annotations

from .contradictions import CLASSES
from .errors import DataError
from .text_tables import Table, quantiles, share
from .workers import map_items

OLDEST = 120  # years; above it an age is a slip of the pen (the challenge has some of 148 to 155)
UNKNOWN, NO_HEADER = "unknown", "no header"


def value_table(records, values, name):
    """Return how many images of each class have each value; ``values`` is ``{id: text}``."""
    found = sorted({values[record.id] for record in records}, key=lambda text: (text in (UNKNOWN, NO_HEADER), text))
    rows = []
    for class_name in (*CLASSES, "all"):
        of_class = [values[r.id] for r in records if class_name in (r.class_name, "all")]
        cells = [(of_class.count(text), share(of_class.count(text), len(of_class))) for text in found]
        rows.append((class_name, len(of_class), *(cell for pair in cells for cell in pair)))
    return Table(("class", "images", *(cell for text in found for cell in (f"{name} {text}", "share"))), rows)


def header_values(records, headers, attribute):
    """Return ``{id: text}`` of what the headers say, "unknown" where they are silent, "no header" without one."""
    values = {}
    for record in records:
        value = getattr(headers[record.id], attribute) if record.id in headers else NO_HEADER
        values[record.id] = UNKNOWN if value is None else str(value)
    return values


def sex_table(records, headers):
    """Return how many images of each class are of women and of men, by ``{id: FilmHeader}``."""
    return value_table(records, header_values(records, headers, "sex"), "sex")


def view_table(records, headers):
    """Return how many images of each class are taken from the back (PA) and from the front (AP)."""
    return value_table(records, header_values(records, headers, "view"), "view")


def age_table(records, headers):
    """Return how old the patients of each class are, image by image.

    Parameters
    ----------
    records : sequence of Record
    headers : dict
        ``{id: FilmHeader}``; images without one are counted apart.

    Returns
    -------
    Table
        Quantiles are of ages up to 120 years; older ones are slips of the pen, counted apart like unknown ones.
    """
    rows = []
    for class_name in (*CLASSES, "all"):
        of_class = [record for record in records if class_name in (record.class_name, "all")]
        ages = [headers[record.id].age for record in of_class if record.id in headers]
        known = [age for age in ages if age is not None]
        told = quantiles([age for age in known if age <= OLDEST], (0.0, 0.25, 0.5, 0.75, 1.0))
        slips, unknown, silent = sum(age > OLDEST for age in known), len(ages) - len(known), len(of_class) - len(ages)
        rows.append((class_name, len(of_class), *told, slips, unknown, silent))
    names = ("least", "25 %", "median", "75 %", "most", f"above {OLDEST}", UNKNOWN, NO_HEADER)
    return Table(("class", "images", *names), rows)


def header_or_fault(item):
    """Return ``(header, None)`` of one ``(id, path)``, or ``(None, text)`` of what is wrong with the film."""
    from .dicom import read_header  # here, so that the tables need no decoder

    try:
        return read_header(item[1]), None
    except DataError as error:
        return None, str(error)


def header_death(item):
    """Return what stands for the header of a film whose reader was killed."""
    return None, f"{item[1]}: reading its header killed the process"


def headers_of_films(films, *, workers=None, label="headers"):
    """Return the headers and the faults of films, ``{id: path}``; see `read_headers`."""
    headers, broken = {}, {}
    if films:
        results = map_items(header_or_fault, list(films.items()), workers=workers, label=label, on_death=header_death)
        for image_id, (header, fault) in zip(films, list(results)):  # a list, so that the bar comes to its end
            if fault is None:
                headers[image_id] = header
            else:
                broken[image_id] = fault
    return headers, broken


def read_headers(records, *, workers=None, label="headers"):
    """Return the headers of the films that are there, and what is wrong with the broken ones.

    Parameters
    ----------
    records : sequence of Record
        Those without a film are passed over; `mini_rcnn.data.rsna.counts` says how many have one.
    workers : int, optional
        Processes; every usable core by default.
    label : str or None, default "headers"
        What the progress bar on stderr says; None shows none.

    Returns
    -------
    headers : dict
        ``{id: FilmHeader}``.
    broken : dict
        ``{id: text}``, which names the file and says what is wrong.

    Examples
    --------
    >>> read_headers([])
    ({}, {})
    """
    films = {record.id: record.path for record in records if record.path is not None}
    return headers_of_films(films, workers=workers, label=label)
