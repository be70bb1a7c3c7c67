# %% [markdown] id="title"
# # 09 · Augmentation
#
# **Time:** 60 minutes. **Paper:** Simard, Steinkraus and Platt, *Best Practices for Convolutional Neural Networks
# Applied to Visual Document Analysis*, ICDAR 2003, section 2; He et al., *Mask R-CNN*, 2017, section 3.1. **You
# need:** boxes `(y1, x1, y2, x2)` (labs 01 and 02). **Afterwards you have:** films that move, and boxes, made from
# masks, that move with them; the proof that one of the slides' settings does nothing; and an opinion on mirrors.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.view import lab_09

lab = start_lab("09")

# %% [markdown] id="many-text"
# ## 1. One film, many times
#
# A network that sees the same 5,000 films with boxes epoch after epoch ends by knowing them by heart. **Augmentation**
# (데이터 증강) shows each of them a little different every time: moved, turned, brighter, sharper. It costs little,
# and the radiologist's boxes are used again.
#
# The slides' recipe has three steps, each one of two: *affine* or *piecewise affine* (both move pixels); *brightness*
# or *contrast*; *blur* or *sharpen*. (Piecewise affine bends the film: the points of a 4 by 4 grid each move a little.)
# Three draws of it:

# %% id="masks-of"
film = lab.film(lab.with_boxes()[0])


def masks_of(film):
    """Return a film's masks; where nobody drew any, as on RSNA's films, its boxes filled."""
    if film.masks is not None:
        return film.masks
    y, x = np.indices(film.pixels.shape) + 0.5
    return np.array([(y > y1) & (y < y2) & (x > x1) & (x < x2) for y1, x1, y2, x2 in film.boxes])


# %% id="many"
from mini_rcnn.data.augment import SLIDES, augment, boxes_of_masks, draw_geometry

rng = np.random.default_rng(4)
drawn = [(film.pixels, masks_of(film))]
drawn += [augment(film.pixels, masks_of(film), rng=rng) for _ in range(3)]
boxes = [boxes_of_masks(masks) for _, masks in drawn]
titles = ["the film", "first draw", "second draw", "third draw"]
show(lab_09.films_figure([pixels for pixels, _ in drawn], titles, boxes=boxes))
for title, of_film in zip(titles, boxes):
    print(f"{title:12}", [[int(side) for side in box] for box in of_film])

# %% [markdown] id="many-after"
# The changes are small, since the result has to remain a chest film: nobody is X-rayed upside down. Look at the
# numbers: wherever the film goes, its boxes have to go, too. How?
#
# ## 2. Where does a pixel go?
#
# An **affine** map (아핀 변환) scales, turns, leans and shifts. It takes a place $(x, y)$ of the old film to
#
# $$\begin{pmatrix} x' \\ y' \end{pmatrix} =
# \begin{pmatrix} s_x \cos r & -s_y \sin(r + h) \\ s_x \sin r & \;\;\,s_y \cos(r + h) \end{pmatrix}
# \begin{pmatrix} x - m_x \\ y - m_y \end{pmatrix} + \begin{pmatrix} m_x + t_x \\ m_y + t_y \end{pmatrix}$$
#
# with the scales $s_x, s_y$, the turn $r$, the shear $h$, the shift $t_x, t_y$ in pixels, and $m$ the middle of the
# picture, which stays where it is unless there is a shift. Multiplied out, that is one matrix of 2 rows and 3 columns,
# to be applied to $(x, y, 1)$.

# %% [markdown] id="matrix-question"
# **Predict.** A picture is 4 pixels wide, and pixel $i$ has its middle at $i$, as OpenCV counts. Where is the middle of
# the picture: at 2, at 1.5 or at 2.5? And what happens to a mask if you take the wrong one and turn by half a turn?
#
# <details><summary>Answer</summary>
#
# At 1.5: the pixels' middles are 0, 1, 2 and 3. Turned about 2, everything ends a whole pixel off. That is small, but
# it is the same small error in every film, and a network can learn it.
#
# </details>

# %% id="matrix-given"
import math

from mini_rcnn.data.warps import number_pair
from mini_rcnn.stages._check import number_array, whole_number  # they only check arguments

# %% id="matrix" exercise="mini_rcnn.data.warps:affine_matrix"

# %% id="matrix-check"
check("warps.affine_matrix", affine_matrix)

# %% id="matrix-library"
from mini_rcnn.data.warps import affine_matrix  # from here on the lab uses the library's

matrix = affine_matrix((1024, 1024), rotate=10)
for name, (x, y) in (("the middle", (511.5, 511.5)), ("the upper left corner", (-0.5, -0.5))):
    new_x, new_y = matrix @ (x, y, 1)
    print(f"{name:22} from ({x:.1f}, {y:.1f}) to ({new_x:.1f}, {new_y:.1f})")

# %% [markdown] id="boxes-text"
# ## 3. A box that is turned is no box
#
# A box has upright sides; turned by 10 degrees it has not, and an upright box has to be put around it again. There are
# two ways. Turn the four corners and take the smallest box around them; or turn the **mask** and take the smallest box
# around *that*. For the second you need the box of a mask.

# %% id="boxes-of-masks" exercise="mini_rcnn.data.warps:boxes_of_masks"

# %% id="boxes-of-masks-check"
check("warps.boxes_of_masks", boxes_of_masks)

# %% [markdown] id="turn-question"
# **Predict.** A box of 200 by 300 pixels around a round opacity is turned by 10 degrees. How much larger is the box
# around its turned corners: 2 %, 10 %, or 40 %? And the box of the turned mask?
#
# <details><summary>Answer</summary>
#
# About 40 %: the new height is $300 \cos 10° + 200 \sin 10° = 330$, the new width $200 \cos 10° + 300 \sin 10° = 249$,
# and $330 \cdot 249$ is 1.37 times $300 \cdot 200$. The opacity itself has not grown, and something round fills
# nearly the same box as before. The corners of the old box were empty, and they are what sticks out.
#
# </details>

# %% id="corners"
from mini_rcnn.data.warps import affine, boxes_of_masks


def turned_boxes(film, angle):
    """Return film and masks turned, each box's corners (x, y) turned, and the smallest boxes around these."""
    pixels, masks = affine(film.pixels, masks_of(film), rotate=angle)
    y1, x1, y2, x2 = film.boxes.T
    corners = np.stack([[x1, x2, x2, x1], [y1, y1, y2, y2], np.ones((4, len(y1)))]) - [[[0.5]], [[0.5]], [[0]]]
    x, y = np.tensordot(affine_matrix(pixels.shape, rotate=angle), corners, 1) + 0.5  # each (4, N)
    return pixels, masks, np.stack([x, y], axis=-1), np.stack([y.min(0), x.min(0), y.max(0), x.max(0)], axis=1)


# %% id="around"
pixels, masks, corners, around = turned_boxes(film, 10)
of_mask, largest = boxes_of_masks(masks), int(np.argmax(masks.sum(axis=(1, 2))))
parts = (masks[largest], corners[:, largest], around[largest], of_mask[largest])
show(lab_09.around_figure(pixels, *parts, title="turned by 10 degrees"))
for name, box in (("before", film.boxes), ("around the corners", around), ("of the mask", of_mask)):
    print(f"box {name:18}", [round(float(side)) for side in box[largest]])


# %% id="growth"
def grown(film, angle):
    """Return how large the boxes become, around the corners and of the masks, each (N,); before = 1."""
    _, masks, _, around = turned_boxes(film, angle)
    areas = [(box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in (around, boxes_of_masks(masks), film.boxes)]
    return np.array(areas[:2]) / areas[2]


# %% id="growth-figure"
ANGLES, ill = (0, 2, 5, 10, 15, 20), [lab.film(number) for number in lab.with_boxes()]
growth = [np.concatenate([grown(one, angle) for one in ill], axis=1).mean(axis=1) for angle in ANGLES]
by_corners, by_masks = np.transpose(growth)
show(lab_09.growth_figure(ANGLES, by_corners, by_masks))
for row in zip(ANGLES, by_corners, by_masks):
    print("{:2d} degrees: around the corners {:.2f}, of the mask {:.2f}".format(*row))

# %% [markdown] id="growth-after"
# So boxes come from masks. Now the sad part: **RSNA has no masks**, only boxes. All that can be done is to
# fill each box, and a turned rectangle fills the box around its corners. (With RSNA's films in this lab the two lines
# are one.) So wherever such a film is turned, its truth becomes larger than what the radiologist drew: by 2 degrees,
# the slides' most, about 8 % in area. That is a good reason to turn little where there are only boxes.

# %% [markdown] id="tones-text"
# ## 4. Grey levels: nothing moves
#
# Brightness multiplies every grey level $v$; contrast (대비) multiplies its distance from middle grey by a factor $f$:
#
# $$v' = 127 + f \, (v - 127), \quad \text{rounded, and cut to } 0 \ldots 255$$
#
# Boxes stay as they are. But a film is `uint8`, 8 bits without a sign, and that is where most programs for this go
# wrong.

# %% id="contrast-given"
from mini_rcnn.data.tones import MIDDLE_GREY, amount, grey_film, look_up_levels  # arguments checked, levels looked up

# %% id="contrast" exercise="mini_rcnn.data.tones:contrast"

# %% id="contrast-check"
check("tones.contrast", contrast)

# %% id="contrast-library"
from mini_rcnn.data.tones import contrast

FACTORS = (0.5, 0.85, 1.15, 2.0)
changed = [contrast(film.pixels, factor) for factor in FACTORS]
show(lab_09.films_figure(changed, [f"contrast {factor}" for factor in FACTORS]))
ramp = np.arange(256, dtype=np.uint8)[None]
for factor in FACTORS:
    print(f"contrast {factor:4}: of 256 grey levels {len(np.unique(contrast(ramp, factor)))} can still be told apart")

# %% [markdown] id="contrast-after"
# What is cut, or falls together, is lost. The slides' 0.85 to 1.15 loses little; 2.0 burns the lungs to black and the
# belly to white.
#
# ## 5. A blur that does nothing
#
# The slides' last step is a Gaussian blur (가우시안 블러) with $\sigma$ from 0 to 0.12 pixels. Each pixel becomes a
# weighted mean of its neighbours, along x and then along y, with the weights
#
# $$w_i = \frac{e^{-i^2 / 2 \sigma^2}}{\sum_{j=-2}^{2} e^{-j^2 / 2 \sigma^2}}, \quad i = -2, \ldots, 2$$

# %% id="weights" exercise="mini_rcnn.data.tones:gaussian_weights"

# %% id="weights-check"
check("tones.gaussian_weights", gaussian_weights)

# %% id="weights-library"
from mini_rcnn.data.tones import blur, gaussian_weights

SIGMAS = (0.12, 0.3, 0.5, 0.65)
weights = {sigma: gaussian_weights(sigma) for sigma in SIGMAS}
show(lab_09.weights_figure(weights))
for sigma, row in weights.items():
    print(f"sigma {sigma:4}: the nearest neighbour weighs {row[3]:.0e}")

# %% [markdown] id="blur-question"
# **Predict.** At $\sigma = 0.12$ the neighbour weighs $8 \cdot 10^{-16}$. Grey levels are whole numbers from 0 to 255.
# What is the most that a pixel can change?
#
# <details><summary>Answer</summary>
#
# A lone white pixel on black is the worst case: it keeps all but $4 \cdot 8 \cdot 10^{-16}$ of 255, which is rounded to
# 255. No pixel of any film ever changes. For the lone pixel to lose half a grey level a neighbour has to weigh 0.0005,
# and that takes $\sigma = 0.256$. (OpenCV keeps weights in steps of 1/256, so there it takes 0.284.)
#
# </details>

# %% id="blur"
dot = np.zeros((5, 5), dtype=np.uint8)
dot[2, 2] = 255
show(lab_09.dots_figure([blur(dot, sigma) for sigma in SIGMAS[:3]], [f"sigma {sigma}" for sigma in SIGMAS[:3]]))
for sigma in (0.04, 0.08, 0.12, 0.5):
    kept = [bool((blur(one.pixels, sigma) == one.pixels).all()) for one in ill]
    print(f"sigma {sigma:4}: {sum(kept)} of {len(ill)} films are the same to the last bit")

# %% [markdown] id="blur-after"
# The recipe on the slides takes blur or sharpen, evenly; so in half of all draws its third step does nothing. Nothing
# broke and no score told. Whoever writes a number into a configuration should look at one film with it and one without.
#
# ## 6. Left and right
#
# Most programs for photographs mirror every other picture: a dog seen from the other side is a dog. A chest is no dog.
# The heart lies on the left (on the right of the film), the right dome of the diaphragm stands higher, and the letter
# on the film says which side is which. A mirrored chest is somebody with *situs inversus*, about one in ten thousand.

# %% id="mirror"
from mini_rcnn.data.warps import flip
from mini_rcnn.model import detect
from mini_rcnn.stages.boxes import box_iou

mirrored, mirrored_masks = flip(film.pixels, masks_of(film))
pictures, truth = [film.pixels, mirrored], [film.boxes, boxes_of_masks(mirrored_masks)]
show(lab_09.films_figure(pictures, ["as it is", "mirrored"], boxes=truth))
print("boxes, x1 and x2, as it is:", [[int(box[1]), int(box[3])] for box in truth[0]])
print("boxes, x1 and x2, mirrored:", [[int(box[1]), int(box[3])] for box in truth[1]])

# %% [markdown] id="mirror-question"
# **Think.** Should a pneumonia detector be trained on mirrored films, too? Find an argument for each side, then let the
# lab's detector look at mirrored films.
#
# <details><summary>Answer</summary>
#
# *Against:* no film in the clinic looks like that, so the network spends effort on what it never meets, and cannot use
# that a shadow at the heart's side means something else than one at the other. *For:* an opacity in the left lung looks
# much like one in the right, and a network with few films learns both from each. The slides did not mirror, and our
# small detector never saw a mirrored film either. On the few phantoms below it finds as many with the mirror as
# without; on so few that is no proof. Whether training with the mirror helps is a question to measure, on a validation
# set that is *not* mirrored.
#
# </details>


# %% id="hits"
def hits(pixels, masks):
    """Return how many of a film's opacities the detector finds: score and overlap of at least a half."""
    found = detect(pixels, lab.weights, lab.config)[0]
    sure = found.boxes[found.scores >= 0.5]
    return int((box_iou(boxes_of_masks(masks), sure) >= 0.5).any(axis=1).sum())


# %% id="mirror-detect"
n_true = sum(len(one.boxes) for one in ill)
print(f"as they are: {sum(hits(one.pixels, masks_of(one)) for one in ill)} of {n_true} opacities found")
print(f"mirrored:    {sum(hits(*flip(one.pixels, masks_of(one))) for one in ill)} of {n_true} opacities found")

# %% [markdown] id="border-text"
# ## 7. What falls off the edge
#
# Whatever is moved beyond the border is gone, and with it perhaps an opacity. If its box is dropped in silence, as
# Matterport does, a film with pneumonia becomes a film without, or the sliver that is left becomes a "whole" opacity.
# So after each warp we ask whether every mask kept its share, and draw again if not.

# %% id="kept" exercise="mini_rcnn.data.augment:all_kept"

# %% id="kept-check"
check("augment.all_kept", all_kept)

# %% id="kept-library"
from mini_rcnn.data.augment import all_kept

masks = masks_of(film)
for part in (0.05, 0.2, 0.4, 0.6):
    moved = affine(film.pixels, masks, shift=(0, part))[1]
    shares = moved.sum(axis=(1, 2)) / masks.sum(axis=(1, 2))
    kept = all_kept(masks, moved, SLIDES.smallest_share)
    print(f"{100 * part:2.0f} % to the right: each mask keeps", [f"{share:.2f}" for share in shares], "all kept:", kept)

# %% id="kept-often"
from mini_rcnn.data.augment import AugmentationSettings, apply_step

far = AugmentationSettings(shift_y=(-0.6, 0.6), shift_x=(-0.6, 0.6))
for name, settings in (("the slides' shifts", SLIDES), ("shifts up to 60 %", far)):
    rng = np.random.default_rng(5)
    steps = [(one, draw_geometry(rng, settings)) for one in ill for _ in range(4)]
    moved = [(masks_of(one), apply_step(step, one.pixels, masks_of(one))[1]) for one, step in steps]
    print(f"{name}: {sum(not all_kept(*pair, 0.25) for pair in moved)} of {len(moved)} draws lose a mask")

# %% [markdown] id="kept-after"
# With the slides' shifts, 5 % down and 3 % across at most, it hardly ever happens. A test that is hardly ever needed is
# cheap, and a film whose truth is wrong is not.
#
# ## 8. The same dice
#
# Randomness comes from a **generator** (난수 생성기) that is handed over, `rng`, never from a global state. The same
# seed then gives the same films, on every machine, whatever else the program draws.


# %% id="dice"
def fingerprint(rng):
    """Return a number that stands for one augmented film."""
    return int(augment(film.pixels, masks_of(film), rng=rng)[0].astype(np.int64).sum())


# %% id="dice-thrown"
first, second = np.random.default_rng(1), np.random.default_rng(1)
print("the same seed, the same film:", fingerprint(first) == fingerprint(second))
print("the next draw, another film: ", fingerprint(first) != fingerprint(np.random.default_rng(1)))
in_the_loop = {fingerprint(np.random.default_rng(1)) for _ in range(5)}
print(f"a generator made in the loop: {len(in_the_loop)} film in 5 draws")

# %% [markdown] id="dice-after"
# The last line is a classic: `rng = np.random.default_rng(1)` *inside* the loop over films. Each film is then changed
# by the same amounts every time, and the augmentation is none. Its sister is a loader with several processes that all
# start from one seed.
#
# ## 9. No new patients
#
# A film turned by a degree is the same person with the same pneumonia. How much of what a detector has to learn does
# augmentation bring? Let us ask the network. We average each feature map (특징 맵) P2 to P5 over the film, 160 numbers,
# and measure how far from one film lie: twelve augmented copies of it, other films of the same patient, and films of
# other people.


# %% id="features"
def features(pixels):
    """Return what the pyramid sees on a film, averaged over all places, (160,)."""
    trace = detect(pixels, lab.weights, lab.config)[1]
    return np.concatenate([trace[level].mean(axis=(0, 1)) for level in ("p2", "p3", "p4", "p5")])


people = [record.patient for record in lab.records]
patient = max(people, key=lambda name: (people.count(name), -people.index(name)))
number = people.index(patient)
seen = [features(lab.film(n).pixels) for n in range(len(lab))]

# %% id="distances"
one, rng = lab.film(number), np.random.default_rng(9)
copies = [features(augment(one.pixels, masks_of(one), rng=rng)[0]) for _ in range(12)]
same = [seen[n] for n in range(len(lab)) if people[n] == patient and n != number]
other = [seen[n] for n in range(len(lab)) if people[n] != patient]
groups = {"augmented": copies, "same patient": same, "other people": other}
distances = {name: np.linalg.norm(np.array(group) - seen[number], axis=1) for name, group in groups.items()}
show(lab_09.distances_figure(distances))
for name, values in distances.items():
    print(f"{name:13} {len(values):2} films, median distance {np.median(values):.1f}")

# %% [markdown] id="distances-after"
# On the phantoms the copies stay near the film, at about a third of the distance of other people. Even the *same*
# patient on another day is nearly as far away as other people are. Augmentation fills in what lies around a film. It
# teaches a network what does not matter: a little turn, a little light. What does matter, other opacities, other
# hearts, other machines, only other patients bring. (Be fair to the copies: this network was trained with augmentation,
# which is to say, trained to bring them near.)
#
# And a warning that follows from it: augment *after* splitting. A copy of a training film in the test set is a leak
# (lab 01) of the worst kind.

# %% [markdown] id="end"
# ## What you have built
#
# The map that moves a film, the boxes that follow from its masks, a contrast that does not wrap around, the proof that
# a blur of 0.12 is none, and the guard that no opacity gets lost. **To think about:** RSNA's boxes have no masks. An
# ellipse that just fits into each box would be a better guess than a filled box. What would change in section 3, what
# in the mask head's training, and how would you find out whether the guess is any good?
