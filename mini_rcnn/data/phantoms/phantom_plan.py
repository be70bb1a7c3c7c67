"""Who is drawn on which phantom, and with what: patients, classes, views and findings in RSNA's shares, no pixels."""

from __future__ import annotations

import itertools
import uuid
from operator import index as as_index

import numpy as np

from ..contradictions import CLASSES
from .phantom_types import PhantomPlan

NORMAL, NOT_NORMAL, OPACITY = CLASSES

# Counted in the challenge's own tables, stage 2, and in its mapping to NIH's images.
IMAGES_BY_CLASS = (8851, 11821, 6012)  # in the order of CLASSES
IMAGES_BY_BOXES = (2614, 3266, 119, 13)  # positive images with 1, 2, 3, 4 boxes
# Patients by how many images each has: 11,410 people on 26,586 images.
PATIENTS_BY_IMAGES = {
    1: 7068, 2: 1805, 3: 923, 4: 446, 5: 282, 6: 181, 7: 142, 8: 114, 9: 65, 10: 58, 11: 38, 12: 42, 13: 41, 14: 27,
    15: 26, 16: 22, 17: 18, 18: 18, 19: 12, 20: 8, 21: 6, 22: 10, 23: 7, 24: 7, 25: 5, 26: 5, 27: 1, 28: 5, 29: 3,
    30: 4, 32: 1, 33: 2, 35: 3, 36: 1, 39: 1, 40: 3, 41: 1, 42: 1, 43: 2, 44: 1, 48: 2, 55: 1, 64: 1, 65: 1,
}  # fmt: skip
# Shares of the classes by how many images a patient has: who comes back often is ill. (up to so many images, shares)
CLASSES_BY_IMAGES = (
    (1, (0.621, 0.305, 0.074)),
    (2, (0.438, 0.441, 0.121)),
    (4, (0.313, 0.508, 0.179)),
    (8, (0.193, 0.549, 0.257)),
    (16, (0.105, 0.516, 0.380)),
    (65, (0.054, 0.425, 0.520)),
)
# Images of one patient are of one class more often than chance has it: of pairs, 60 % where a patient has two images,
# 53 % where many. Polya's urn with so many images in it before the first is drawn comes to that, with the pull below.
URN = 2.0
PULL = 0.3  # how hard a class that lies an image behind its share is drawn towards it, as an exponent

# Counted in the headers of 239 films of the challenge (89, 97 and 53 of a class): the only sample at hand.
AP_SHARE = {NORMAL: 0.17, NOT_NORMAL: 0.47, OPACITY: 0.66}
MALE_SHARE = 0.58
AGE_MEAN, AGE_SPREAD, AGE_RANGE = 47.5, 16.0, (8, 90)  # years

# Drawn by judgement, no count at hand: what is seen beside or instead of pneumonia, and how often.
FINDINGS = {
    "effusion": 0.30, "atelectasis": 0.28, "cardiomegaly": 0.25, "nodule": 0.18, "interstitial": 0.16, "scar": 0.14,
    "mass": 0.10, "hilar": 0.10, "emphysema": 0.10, "calcified_granuloma": 0.08,
    "pneumothorax": 0.05,
}  # fmt: skip
CHRONIC = ("cardiomegaly", "scar", "emphysema", "calcified_granuloma", "interstitial")  # stay with a patient
BESIDE_OPACITY = ("effusion", "atelectasis", "cardiomegaly", "interstitial", "scar", "emphysema")
DEVICES = {  # name: share on PA, share on AP; those of ILL_ONLY never on a normal film
    "marker": (0.85, 0.70), "label": (0.30, 0.35), "ecg_leads": (0.03, 0.45), "central_line": (0.06, 0.40),
    "tracheal_tube": (0.00, 0.20), "gastric_tube": (0.01, 0.16), "clips": (0.04, 0.05),
    "chest_drain": (0.02, 0.06), "buttons": (0.04, 0.02), "necklace": (0.03, 0.01),
}  # fmt: skip
ILL_ONLY = (
    "central_line", "tracheal_tube", "gastric_tube", "clips", "chest_drain", "pacemaker", "sternal_wires", "port",
)  # fmt: skip
IMPLANTS = {"pacemaker": 0.04, "sternal_wires": 0.06, "port": 0.07}  # share of patients
EXPOSURES = {"PA": (0.90, 0.05, 0.05), "AP": (0.76, 0.12, 0.12)}  # normal, under, over
ROTATION_SPREAD = {"PA": 1.5, "AP": 4.0}  # degrees
INSPIRATION = {"PA": (8.0, 2.5), "AP": (5.0, 4.0)}  # of a beta distribution

GOLDEN, SILVER = 0.6180339887498949, 0.41421356237309515  # multiples of these, without their whole parts, fill [0, 1)


def evenly(start, number, step):
    """Return the ``number``-th of numbers that fill [0, 1) more evenly than chance, however many are taken."""
    return (start + (number + 1) * step) % 1.0


def place_in(shares, position):
    """Return the index of the share that a position in [0, 1) falls into, shares laid end to end.

    >>> [place_in((1, 2, 1), position) for position in (0.2, 0.3, 0.74, 0.9)]
    [0, 1, 1, 2]
    """
    edges = np.cumsum(shares) / np.sum(shares)
    return int(np.searchsorted(edges[:-1], position, side="right"))


def class_shares(n_images):
    """Return the shares of the three classes among patients with so many images."""
    return np.array(next(shares for limit, shares in CLASSES_BY_IMAGES if n_images <= limit))


def draw_class(rng, patient, drawn):
    """Return the index of the next image's class, and count it.

    Parameters
    ----------
    rng : np.random.Generator
    patient : dict
        ``shares`` of the classes to begin with, ``classes`` drawn so far, (3,).
    drawn : ndarray of shape (3,)
        Images of each class so far, all patients together.
    """
    wanted = np.array(IMAGES_BY_CLASS) / sum(IMAGES_BY_CLASS)
    behind = wanted * (drawn.sum() + 1) - drawn
    weights = (URN * patient["shares"] + patient["classes"]) * np.exp(PULL * behind)
    chosen = place_in(weights, rng.random())
    patient["classes"][chosen] += 1
    drawn[chosen] += 1
    return chosen


def draw_patient(seed, number, start):
    """Return what stays the same on all images of a patient, as a dict."""
    rng = np.random.default_rng([seed, 1, number])
    sizes = tuple(PATIENTS_BY_IMAGES)
    n_images = sizes[place_in(tuple(PATIENTS_BY_IMAGES.values()), evenly(start, number, GOLDEN))]
    return {
        "rng": rng,
        "name": str(number + 1),
        "n_images": n_images,
        "shares": class_shares(n_images),
        "classes": np.zeros(3),
        "patient_seed": int(rng.integers(2**31)),
        "sex": "M" if rng.random() < MALE_SHARE else "F",
        "age": int(np.clip(round(rng.normal(AGE_MEAN, AGE_SPREAD)), *AGE_RANGE)),
        "chronic": [name for name in CHRONIC if rng.random() < FINDINGS[name] / 4],
        "implants": [name for name, share in IMPLANTS.items() if rng.random() < share],
    }


def draw_findings(rng, class_name, chronic):
    """Return the names of what is seen beside or instead of pneumonia, at most three; none on a normal film."""
    if class_name == NORMAL:
        return ()
    if class_name == OPACITY:
        names, count = list(BESIDE_OPACITY), int(rng.integers(0, 3)) // (1 + int(rng.integers(0, 2)))
    else:
        names, count = list(FINDINGS), 1 + place_in((0.55, 0.33, 0.12), rng.random())
    weights = np.array([FINDINGS[name] for name in names])
    order = rng.choice(len(names), len(names), replace=False, p=weights / weights.sum())
    wanted = [name for name in chronic if name in names] + [names[i] for i in order if names[i] not in chronic]
    return tuple(sorted(wanted[:count]))


def draw_devices(rng, class_name, view, implants):
    """Return the names of devices, markers and labels on a film."""
    shares = {name: by_view[view == "AP"] for name, by_view in DEVICES.items()}
    chosen = [name for name, share in shares.items() if rng.random() < share] + list(implants)
    return tuple(name for name in chosen if class_name != NORMAL or name not in ILL_ONLY)


def draw_image(rng, patient, class_name, view, n_opacities):
    """Return the plan of one image of a patient."""
    return PhantomPlan(
        image_id=str(uuid.UUID(bytes=rng.bytes(16), version=4)),
        patient=patient["name"],
        class_name=class_name,
        view=view,
        sex=patient["sex"],
        age=patient["age"] + int(rng.integers(0, 2)),  # films of one stay, or of the next year
        seed=int(rng.integers(2**31)),
        patient_seed=patient["patient_seed"],
        n_opacities=n_opacities,
        findings=draw_findings(rng, class_name, patient["chronic"]),
        devices=draw_devices(rng, class_name, view, patient["implants"]),
        exposure=("normal", "under", "over")[place_in(EXPOSURES[view], rng.random())],
        rotation=round(float(rng.normal(0, ROTATION_SPREAD[view])), 3),
        inspiration=round(float(rng.beta(*INSPIRATION[view])), 3),
    )


def whole_number(name, value):
    """Return a whole number that is not negative, or raise ValueError."""
    try:
        number = as_index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if number < 0 or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number of 0 or more, got {value!r}")
    return number


def plans_without_end(seed):
    """Yield the plan of one image after the other, the images of a patient together."""
    starts = np.random.default_rng([seed, 0]).random(3)
    drawn, places = np.zeros(3, np.int64), itertools.count()
    for number in itertools.count():
        patient = draw_patient(seed, number, starts[0])
        for _ in range(patient["n_images"]):
            rng = np.random.default_rng([seed, 2, next(places)])
            chosen = draw_class(rng, patient, drawn)
            place = int(drawn[chosen]) - 1
            view = "AP" if evenly(starts[1], place, SILVER) < AP_SHARE[CLASSES[chosen]] else "PA"
            count = 1 + place_in(IMAGES_BY_BOXES, evenly(starts[2], place, GOLDEN))
            yield draw_image(rng, patient, CLASSES[chosen], view, count if CLASSES[chosen] == OPACITY else 0)


def plan_phantoms(n_images, *, seed, more_ill=0):
    """Plan a set of phantoms as RSNA's challenge is made up, and more ill ones to learn from if they are wanted.

    Parameters
    ----------
    n_images : int
        0 or more.
    seed : int
        0 or more. The plan of an image depends on the seed and on its place alone, so a set of 100 is the beginning of
        the set of 400 with the same seed.
    more_ill : int, default 0
        0 or more. After the first ``n_images`` the plan goes on with the next patient, and of what follows only the
        images with opacities are kept, so many of them.

    Returns
    -------
    plans : list of PhantomPlan
        The images of a patient one after another, then the ill ones of others; the last patient of either part may
        have fewer than it would have.

    Raises
    ------
    ValueError
        If ``n_images``, ``seed`` or ``more_ill`` is no whole number or is negative.

    Notes
    -----
    Classes, boxes a positive image and images a patient are as in the challenge's tables: 8,851 / 11,821 / 6,012
    images, 2,614 / 3,266 / 119 / 13 positive ones with 1 / 2 / 3 / 4 boxes, 26,586 images of 11,410 people. Views, sex
    and age are as in the headers of 239 of its films. Findings and devices are set by judgement. The shares of
    classes, boxes and views are kept evenly from the first image on, not merely in the long run.

    Examples
    --------
    >>> plans = plan_phantoms(400, seed=1)
    >>> [sum(plan.class_name == name for plan in plans) for name in CLASSES]
    [131, 176, 93]
    >>> plans[:100] == plan_phantoms(100, seed=1)
    True
    >>> [plan.class_name for plan in plan_phantoms(100, seed=1, more_ill=2)[100:]]
    ['Lung Opacity', 'Lung Opacity']
    """
    n_images, seed = whole_number("n_images", n_images), whole_number("seed", seed)
    more_ill, endless = whole_number("more_ill", more_ill), plans_without_end(seed)
    plans = list(itertools.islice(endless, n_images))
    known = plans[-1].patient if plans else None  # the last patient's other images are nobody's
    ill = (plan for plan in endless if plan.class_name == OPACITY and plan.patient != known)
    return plans + list(itertools.islice(ill, more_ill))
