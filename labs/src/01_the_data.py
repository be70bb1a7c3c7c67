# %% [markdown] id="title"
# # 01 · The data
#
# **Time:** 60 minutes. **Paper:** Shih et al., *Augmenting the National Institutes of Health Chest Radiograph Dataset
# with Expert Annotations of Possible Pneumonia*, Radiology: Artificial Intelligence 2019; DICOM PS3.3, section C.11.
# **You need:** Python and NumPy arrays. **Afterwards you have:** the way of a film from a hospital's file to the
# network's input and of a box back again, written by you; a count of boxes that counts images; and a split that keeps
# every patient on one side.

# %% id="start"
from collections import Counter

import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.view import lab_01

lab = start_lab("01")

# %% [markdown] id="file-text"
# ## 1. A file with more in it than a film
#
# Hospitals keep films (흉부 X선 사진 = chest X-ray) as **DICOM** files. Such a file is a list of *elements*, each
# with a number, its tag, and a value: the pixels are one element, the others say how to read them, with which machine
# they were taken, when, where, by whom, and of whom. Let us read one and see what the lab's reader gives us.

# %% id="facts"
from mini_rcnn.data.dicom import read_image

number = lab.with_boxes()[0]
path = lab.records[number].path
film = read_image(path)
for name, value in vars(film.header).items():
    print(f"{name:16}", value)
print(f"{'pixels':16}", film.image.shape, film.image.dtype)

# %% [markdown] id="facts-after"
# Ten facts, and the pixels. `view` is PA where the rays come from behind and the patient stands, AP where they come
# from the front, mostly of somebody who lies in bed and is worse off. `transfer_syntax` is how the pixels are packed;
# the one that ends in `.4.50` is JPEG. But how many elements does the *file* have?

# %% id="elements"
from mini_rcnn.data.films.dicom_guard import parts_of
from mini_rcnn.data.films.dicom_header import ALLOWED_TAGS

places = parts_of(path).places
let_through = [tag for tag in places if tag in ALLOWED_TAGS]
print(f"{len(places)} elements in the file, {len(let_through)} of them are on the reader's list")
print(f"the patient's name is there: {0x00100010 in places}, and on the list: {0x00100010 in ALLOWED_TAGS}")

# %% [markdown] id="names-text"
# A reader has two duties. It must **let through** what the pixels need: sizes, bits, window, colour. And it must
# **never** let out who the patient is. A list of what is forbidden would be the wrong way round: manufacturers invent
# elements, and the one that you forgot holds the name. So the list says what is *allowed*, and nothing else exists.
#
# Let us put a name in and see. RSNA's films carry the image's id where a name would stand.

# %% id="names"
import tempfile
from pathlib import Path

content = path.read_bytes().replace(lab.records[number].id.encode(), b"NAME^OF THE^PATIENT".ljust(36))
print("the name stands in the file", content.count(b"NAME^OF THE^PATIENT"), "times")
with tempfile.TemporaryDirectory() as folder:
    copy = Path(folder) / "named.dcm"
    copy.write_bytes(content)
    print("in what the reader returns:", str(read_image(copy).header).count("NAME"), "times")

# %% [markdown] id="names-question"
# **Think.** The name is gone. Name two ways in which a film without it can still say whose it is.
#
# <details><summary>Answer</summary>
#
# The *pixels*: letters burned into the picture, a pacemaker's serial number, or simply the chest, which is as
# much one person's as a face (section 4 comes back to that). And *combinations*: an age of 97, a date and a small
# hospital are enough. Dates are therefore not on the list either.
#
# </details>

# %% [markdown] id="window-text"
# ## 2. From stored numbers to grey
#
# RSNA's films are 8 bit, already made for looking at. A hospital's are not: the detector measures 10 to 16 bits, and
# the file names a **window** (윈도우), the part of them to be shown: its center $c$ and its width $w$. With $x$ for a
# stored value, the usual function is
#
# $$\text{level}(x) = 255 \cdot \left(\frac{x - (c - 0.5)}{w - 1} + 0.5\right), \quad \text{cut to } 0 \ldots 255$$
#
# What lies below the window is black, what lies above is white, and everything in it is told apart.

# %% id="window-levels" exercise="mini_rcnn.data.films.dicom_pixels:window_levels"

# %% id="window-levels-check"
check("dicom_pixels.window_levels", window_levels)

# %% [markdown] id="window-after"
# Now a film with 12 bits. The program that draws our phantoms knows what the rays meet, in hundredths of a centimetre
# of tissue, before any film is made of it: that is a detector's view. (It is drawn here, whichever films the lab uses.)

# %% id="window-library"
from mini_rcnn.data.films.dicom_pixels import window_levels  # from here on the lab uses the library's
from mini_rcnn.data.phantom import draw_body, lay_attenuation, plan_phantoms

plan = plan_phantoms(6, seed=1)[5]
body = draw_body(plan, np.random.default_rng(1))
stored = np.rint(100 * lay_attenuation(body, plan, np.random.default_rng(2)).attenuation)
print(f"values from {stored.min():.0f} to about {10 * round(stored.max() / 10)}: an 8 bit pixel has 256")

# %% id="window-figure"
WINDOWS = {"everything": (1500.0, 3200.0), "lungs": (1350.0, 1200.0), "spine": (2500.0, 1000.0)}
levels = [window_levels(stored, center, width, "LINEAR") for center, width in WINDOWS.values()]
show(lab_01.windows_figure(stored, WINDOWS, levels))
for name, picture in zip(WINDOWS, levels):
    cut = 100 * np.mean((picture == 0) | (picture == 255))
    print(f"{name:10}  {cut:3.0f} % of the pixels are plain black or plain white")

# %% [markdown] id="window-lost"
# What a window cuts is gone for good once the film is stored in 8 bits: no network gets it back. Which window is right
# depends on the question, and a network trained on one sees another as another kind of film.
#
# There is a second trap. `MONOCHROME2` says that large values are bright, `MONOCHROME1` that they are **dark**. A
# reader that ignores this hands the network an inverted film; ours turns it, $255 - \text{level}$, at the very end.

# %% [markdown] id="inverted-question"
# **Predict.** The small detector of this lab looks at every film twice, as it is and inverted. What will it do with the
# inverted ones: find the same opacities, find nothing, or raise an error?
#
# <details><summary>Answer</summary>
#
# None of these. On the phantoms it finds 10 of 13 opacities as they are and none of them inverted. Yet it does not fall
# silent: it marks 18 films without an opacity in place of 2. Nothing warns you: a detector is nearly as sure of itself
# on a kind of film that it has never seen.
#
# </details>

# %% id="inverted"
from mini_rcnn.model import detect
from mini_rcnn.stages.boxes import box_iou


def looked_at(pixels, boxes):
    """Return the sure boxes on a film, and how many of the true ones they overlap by at least a half."""
    found = detect(pixels, lab.weights, lab.config)[0]
    sure = found.boxes[found.scores >= 0.5]
    return sure, int((box_iou(boxes, sure) >= 0.5).any(axis=1).sum())


# %% id="inverted-all"
films = [lab.film(n) for n in range(len(lab))]
n_true = sum(len(one.boxes) for one in films)
for name, turn in (("as they are", lambda pixels: pixels), ("inverted", lambda pixels: 255 - pixels)):
    looks = [looked_at(turn(one.pixels), one.boxes) for one in films]
    false = sum(len(sure) > 0 and len(one.boxes) == 0 for (sure, _), one in zip(looks, films))
    print(f"{name:12} {sum(hits for _, hits in looks):2} of {n_true} opacities; marks on {false} films without any")

# %% id="inverted-figure"
truth = lab.film(number).boxes
pictures = [film.image, 255 - film.image]
sure = [looked_at(pixels, truth)[0] for pixels in pictures]
titles = ["as it is", "inverted"]
show(lab_01.films_figure(pictures, titles, boxes=[truth] * 2, dashed=sure, note="solid: truth    dashed: found"))
print(f"on this film: {len(truth)} opacities; {len(sure[0])} boxes as it is, {len(sure[1])} inverted")

# %% [markdown] id="rows-text"
# ## 3. Two tables
#
# Beside the films lie two tables. One says where the boxes are, a row a box, the other to which of three classes each
# image belongs: *Normal*, *Lung Opacity*, and *No Lung Opacity / Not Normal*, which is everything that is wrong with a
# chest and is no pneumonia.

# %% id="rows"
from mini_rcnn.data.rsna_tables import LABELS, read_labels

lines = (lab.folder / LABELS).read_text().splitlines()
print(lines[0])
print(next(line for line in lines if line.endswith(",0")))
print(next(line for line in lines if line.endswith(",1")))

# %% [markdown] id="rows-after"
# Three traps in three lines. `patientId` is no patient: it is the *image's* id, and each image has its own. The box is
# `x, y, width, height`, where this lab (and Matterport) writes corners with y first. And an image without a box has a
# row, too, an empty one. We take the second trap first.

# %% id="boxes-of" exercise="mini_rcnn.data.rsna:boxes_of"

# %% id="boxes-of-check"
check("rsna.boxes_of", boxes_of)

# %% id="boxes-of-library"
from mini_rcnn.data.rsna import boxes_of  # from here on the lab uses the library's

rows = read_labels(lab.folder / LABELS)
mine = [row for row in rows if row.image_id == lab.records[number].id]
boxes = boxes_of(mine)
swapped = boxes[:, [1, 0, 3, 2]]
show(lab_01.films_figure([film.image], ["solid: y first    dashed: x taken for y"], boxes=[boxes], dashed=[swapped]))
print("the table's rows:", [row.box for row in mine])
print("as corners:      ", boxes.tolist())

# %% [markdown] id="swapped-text"
# A film is square, so boxes with x and y exchanged still lie on it: no program complains, and a network trained on them
# learns nothing. Look at a few films with their boxes before you train. Always.
#
# Now the third trap. How many images have one box, how many two? The slides' table says `1: 23286`.

# %% [markdown] id="count-question"
# **Predict.** RSNA's table has 30,227 rows for 26,684 images; 9,555 rows hold a box. Can 23,286 images have exactly one
# box?
#
# <details><summary>Answer</summary>
#
# No: there are only 9,555 boxes. The number counts *rows*: an image with one row has one box or none.
#
# </details>

# %% id="images-by-boxes" exercise="mini_rcnn.data.rsna:images_by_boxes"

# %% id="images-by-boxes-check"
check("rsna.images_by_boxes", images_by_boxes)

# %% id="images-by-boxes-library"
from mini_rcnn.data.rsna import FULL, images_by_boxes  # FULL: the counts of the whole challenge

ids, has_box = np.array([row.image_id for row in rows]), np.array([row.box is not None for row in rows])
rows_of_each = Counter(ids.tolist()).values()
print("this table, boxes of each image:", dict(enumerate(images_by_boxes(ids, has_box).tolist())))
print("this table, rows of each image: ", dict(sorted(Counter(rows_of_each).items())))

# %% id="challenge-counts"
show(lab_01.counts_figure(FULL.images_by_rows, FULL.images_by_boxes))
print("RSNA, boxes of each image:", FULL.images_by_boxes)
print("RSNA, rows of each image: ", FULL.images_by_rows)

# %% [markdown] id="count-after"
# So 2,614 images have one box, and 20,672 have none: more than three in four. That is no detail. Whoever believes that
# nearly every image has a box will not ask what becomes of those without, and the answer is that Matterport's training
# skips them (labs 08 and 12).
#
# ## 4. Who is on both sides
#
# A detector is tested on films that it was not trained on. The slides' project shared the films out at random: 20,684
# to train, 3,000 to validate, 3,000 to test. But people come back. Here are films of one patient.

# %% id="patient"
patient, n_films = Counter(record.patient for record in lab.records).most_common(1)[0]
theirs = [n for n, record in enumerate(lab.records) if record.patient == patient][:3]
stranger = next(n for n, record in enumerate(lab.records) if record.patient != patient)
pictured = [films[n] for n in [*theirs, stranger]]
titles = [f"patient {patient}"[:14]] * len(theirs) + ["somebody else"]
show(lab_01.films_figure([one.pixels for one in pictured], titles, boxes=[one.boxes for one in pictured]))
print(f"{len(lab)} films of {len({record.patient for record in lab.records})} patients; one has {n_films}")

# %% [markdown] id="patient-after"
# The same bones, the same shape of the lungs, often the same illness a day later. If one of these films is in training
# and another in the test, the network need not find pneumonia: it may recognise the *patient*. That is a **leak**
# (데이터 누수). How often does it happen?
#
# Each RSNA image was one of NIH's, and NIH numbered its patients: of the 26,684 images 26,586 can be traced, and they
# come from 11,410 people. Forty films are too few to see what follows, so let us *plan* 8,000 phantoms without drawing
# them; the program gives patients as many films as NIH's have.

# %% [markdown] id="leak-question"
# **Predict.** Three patients in five have a single film. What share of the *test films*, drawn at random, show
# somebody who is also in training: about 5 %, a third, or two thirds?
#
# <details><summary>Answer</summary>
#
# More than two thirds. Most *patients* have one film, but most *films* are of patients who have several, up to 65; and
# with three films in four in training, one of somebody's others is nearly sure to be there. On RSNA's full tables it is
# 70 %, too.
#
# </details>

# %% id="leak"
from mini_rcnn.data.rsna import Record
from mini_rcnn.data.splits import leak_of, split_as_slides

plans = plan_phantoms(8000, seed=1)
records = [Record(p.image_id, None, np.zeros((p.n_opacities, 4)), p.class_name, p.patient) for p in plans]
by_image = split_as_slides(records, seed=1)
n_test, known = len(by_image.test), leak_of(by_image, records).in_train["test"]
print(f"{len(records):,} films of {len({record.patient for record in records}):,} patients")
print(f"split by image: {known} of {n_test} test films ({100 * known / n_test:.0f} %) show somebody who is in training")

# %% [markdown] id="deal-text"
# The cure: share out *patients*. Shuffling them and cutting at 80 % would do, but then one side may get the patient
# with 65 films, or most of the ill. Better: deal them out like cards, one after the other, each to the side that is
# **furthest behind** in the classes that this patient has:
#
# $$\mathrm{behind}_s = \sum_k \frac{c_k \, (f_s \cdot \mathrm{seen}_k - \mathrm{given}_{s,k})}{\mathrm{total}_k}$$
#
# with $k$ a class, $s$ a side, $f_s$ its fraction, $c_k$ the patient's images of class $k$, and counts of images seen
# so far, given to the side so far, and in total. Patients with many films are dealt first: the many with one film, who
# come last, level what is left.

# %% id="deal" exercise="mini_rcnn.data.splits:deal"

# %% id="deal-check"
check("splits.deal", deal)

# %% id="deal-library"
from mini_rcnn.data.splits import deal, images_by_class, patients_of

patients = sorted(patients_of(records).values(), key=len, reverse=True)
has = images_by_class(patients)
sides = deal(has, (0.8, 0.1, 0.1))
for side, name in enumerate(("train", "validation", "test")):
    mine = has[sides == side]
    share = " ".join(f"{100 * part:5.1f} %" for part in mine.sum(axis=0) / has.sum(axis=0))
    print(f"{name:10} {len(mine):5,} patients, {mine.sum():5,} films; of the three classes: {share}")

# %% id="no-leak"
from mini_rcnn.data.splits import split_by_patient

by_patient = split_by_patient(records, seed=1)
known = [leak_of(split, records).in_train["test"] for split in (by_image, by_patient)]
n_test = [len(split.test) for split in (by_image, by_patient)]
show(lab_01.known_figure(["by image", "by patient"], known, [n - k for n, k in zip(n_test, known)]))
print(f"known from training: {known[0]} of {n_test[0]} test films by image, {known[1]} of {n_test[1]} by patient")

# %% [markdown] id="leak-after"
# No patient is on two sides, and the classes are shared out as well as before. How much a leak flatters a score depends
# on the network, and we have not measured it for RSNA; a test that leaves the question open is no test. `python3 lab.py
# data split` makes this split once and writes it down, so that everybody tests on the same films.
#
# ## 5. What the network sees
#
# The network wants a square of a fixed size, 256 pixels on the slides and 128 for this lab's small one. A film is
# shrunk until its longer side fits (so a lung keeps its shape), and **padded** (패딩) with black to a square. RSNA's
# films are square already, others are not: let us cut one.

# %% id="input"
from mini_rcnn.stages.image import boxes_to_input, fit_to_square

cut, margin = film.image[:, 117:-117], 117
cut_boxes = np.clip(boxes - [0, margin, 0, margin], 0, np.tile(cut.shape, 2))
padded, geometry = fit_to_square(cut, size=128)
in_boxes = boxes_to_input(cut_boxes, geometry)
titles = [f"film, {cut.shape[0]} x {cut.shape[1]}", f"input, {geometry.size} x {geometry.size}"]
show(lab_01.films_figure([cut, np.rint(padded).astype(np.uint8)], titles, boxes=[cut_boxes, in_boxes]))
print("window (y1, x1, y2, x2):", geometry.window, " factors along y, x:", geometry.factors().round(5).tolist())

# %% [markdown] id="input-after"
# Everything that is said of the film has to move with it: boxes on the way in, and what the network finds on the way
# back. The two factors are not quite equal: the shorter side was rounded to whole pixels.

# %% [markdown] id="scale-question"
# **Predict.** A box on the input is wrong by one pixel on each side. By how much is it wrong on the film of 1,024
# pixels? And what is left on the input of an opacity of 40 film pixels?
#
# <details><summary>Answer</summary>
#
# 1,024 / 128 = 8 film pixels on each side, and 5 input pixels of 40. Shrinking is what makes small things hard to find
# and boxes coarse; it is also what makes training affordable. On the slides' 256 pixels it is 4 and 10.
#
# </details>

# %% id="back-given"
from mini_rcnn.stages._check import boxes_array  # only checks the argument

# %% id="back" exercise="mini_rcnn.stages.image:boxes_to_original"

# %% id="back-check"
check("image.boxes_to_original", boxes_to_original)

# %% id="back-library"
from mini_rcnn.stages.image import boxes_to_original

again = boxes_to_original(in_boxes, geometry)
print("there and back, largest difference below 1e-9:", bool(np.abs(again - cut_boxes).max() < 1e-9))
whole = boxes_to_original(np.rint(in_boxes), geometry)
print(f"rounded to whole pixels on the input: off by up to {np.abs(whole - cut_boxes).max():.1f} pixels of the film")

# %% [markdown] id="end"
# ## What you have built
#
# The data side of a detector: grey levels from whatever a hospital stored, boxes from a table, counts that count
# images, a split that keeps patients apart, and boxes that find their way back to the film. **To think about:** 98 of
# RSNA's images could not be traced to a patient. This lab takes each for a patient of its own. What goes wrong if that
# is not so, and what would go wrong if all 98 were taken for one?
