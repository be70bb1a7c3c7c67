# %% [markdown] id="title"
# # 10 · Training
#
# **Time:** 60 minutes. **Paper:** He et al., *Mask R-CNN*, 2017, section 3.1; Goyal et al., *Accurate, Large Minibatch
# SGD*, 2017, section 2.2; Ioffe and Szegedy, *Batch Normalization*, 2015.
# **You need:** targets and losses (lab 08). This lab uses TensorFlow; on a CPU its training takes half a minute.
# **Afterwards you have:** a training of your own from nothing, its schedule, its step and its choice of the best epoch
# written by you, and proof that a killed training goes on as if nothing had happened.

# %% id="start"
import numpy as np

from mini_rcnn.classroom import check, show, start_lab
from mini_rcnn.view import lab_10

lab = start_lab("10")  # start_lab("10", training="full") trains as for real at the end: hours on a GPU
print("Training:", lab.training)

# %% [markdown] id="loop-text"
# ## 1. What a training is
#
# One **step** (스텝): show the network a batch (배치) of films, ask it the questions of lab 08, add up the five losses,
# work out for each weight in which direction the sum grows (the **gradient**, 기울기), and move every weight a little
# the other way. One **epoch** (에포크): as many steps as show every film once. Then look at films that it did *not*
# learn from (**validation**, 검증), and decide whether this was the best epoch so far. That is all.
#
# What remains to decide: how far to move (sections 2 and 3), where to begin (4), and when to stop (6).

# %% [markdown] id="rate-text"
# ## 2. How far: the learning rate
#
# The **learning rate** (학습률) $\eta$ is the length of a step per unit of gradient. The slides have 0.006, doubled for
# the first two epochs, halved after the thirteenth, on all layers, from random weights. Two ideas have become common
# since:
#
# - **Warm-up**: at the beginning gradients are large and point anywhere. The rate rises evenly over the first steps.
# - **Cosine**: within a stage the rate falls along half a cosine, from $\eta_0$ to $\eta_1$. With $t$ the part of the
#   stage that is done, $0 \le t < 1$:
#
# $$\eta(t) = \eta_1 + \tfrac12 (\eta_0 - \eta_1)(1 + \cos \pi t)$$

# %% [markdown] id="rate-question"
# **Predict.** The slides' training begins at 0.012. Matterport's own default is 0.001, *from trained weights, on the
# heads alone*. What may happen in the first steps at 0.012, from random weights?
#
# <details><summary>Answer</summary>
#
# Steps far too long for gradients that are far too large: the losses jump, and may become NaN ("not a number"), from
# which no weight recovers. Clipping (section 3) may save it. "Begin high, then go lower" is right for the middle of a
# training, not for its first hundred steps: those want a *rising* rate.
#
# </details>

# %% id="rate-given"
import math

from mini_rcnn.training.schedule import stage_of  # (number of the stage, epoch of that stage)

# %% id="rate-at" exercise="mini_rcnn.training.schedule:rate_at"

# %% id="rate-at-check"
check("schedule.rate_at", rate_at)

# %% id="rate-at-library"
from mini_rcnn.training.presets import DEMO, GPU, SLIDES
from mini_rcnn.training.schedule import rate_at  # from here on the lab uses the library's


def schedule(name, training, n_steps):
    """Return the name, and epochs and rates at 40 places of each epoch."""
    places = [(epoch, n_steps * part // 40) for epoch in range(training.n_epochs) for part in range(40)]
    rates = [rate_at(training, epoch, step, n_steps) for epoch, step in places]
    return name, np.array([epoch + 1 + step / n_steps for epoch, step in places]), np.array(rates)


# %% id="rates"
# Steps of an epoch: on all of RSNA; the demo's on phantoms.
known = ((SLIDES, 10342), (GPU, 1330), (DEMO, DEMO.training.steps))
show(lab_10.rates_figure([schedule(preset.name, preset.training, steps) for preset, steps in known]))
for preset, steps in known:
    first, third, last = (rate_at(preset.training, epoch, 0, steps) for epoch in (0, 2, preset.training.n_epochs - 1))
    print(f"{preset.name:6}  first step {first:.6f}   epoch 3 {third:.5f}   last epoch {last:.5f}")

# %% [markdown] id="rates-note"
# Three presets of this lab. `slides` is the project's schedule; the thin line at its left end is a warm-up of 1,000
# steps that we added.
#
# ## 3. How: clipping and momentum
#
# **Clipping.** Once in a while a batch has a huge gradient: a strange film, no good anchor. One such step can undo an
# hour. So the norm $\lVert g \rVert$ of the gradient of *all* weights together is held below a limit (Matterport: 5).
# All shrink alike, so the direction stays.

# %% id="clip" exercise="mini_rcnn.training.descent:clip_by_norm"

# %% id="clip-check"
check("descent.clip_by_norm", clip_by_norm)

# %% [markdown] id="momentum-text"
# **Momentum** (모멘텀). The step is not the gradient itself but a velocity $v$ that remembers the steps before, like a
# ball that rolls. With weights $w$, gradient $g$, rate $\eta$ and momentum $\mu$ (0.9 nearly everywhere):
#
# $$v \leftarrow \mu v - \eta g, \qquad w \leftarrow w + v$$

# %% id="momentum" exercise="mini_rcnn.training.descent:momentum_step"

# %% id="momentum-check"
check("descent.momentum_step", momentum_step)

# %% [markdown] id="valley-text"
# A valley, seen from above: the loss is $\tfrac12 (x^2 + 20 y^2)$, long in $x$ and steep in $y$. Losses of networks are
# like that in a million directions at once. The star is the bottom.

# %% id="valley"
from mini_rcnn.training.descent import clip_by_norm, momentum_step


def roll(rate, momentum, n_steps=40):
    """Return the places of a walk down the valley."""
    places, velocity = [np.array([-2.0, 1.0])], np.zeros(2)
    for _ in range(n_steps):
        place, velocity = momentum_step(places[-1], velocity, places[-1] * [1, 20], rate=rate, momentum=momentum)
        places.append(place)
    return np.array(places)


# %% id="valley-shown"
ways = (("rate 0.02", 0.02, 0.0), ("rate 0.02, momentum 0.9", 0.02, 0.9), ("rate 0.101", 0.101, 0.0))
paths = [(name, roll(rate, momentum)) for name, rate, momentum in ways]
show(lab_10.valley_figure(paths, 20))
for name, path in paths:
    print(f"{name:24} after 40 steps {np.hypot(*path[-1]):.2f} from the bottom")
clipped = clip_by_norm([np.array([300.0, 400.0])], 5.0)[0]
print("a gradient of norm 500, clipped to 5:", clipped.tolist())

# %% [markdown] id="valley-note"
# Without momentum it creeps along the floor. With it, it swings, and gets there. And just above $2/20 = 0.1$ each step
# lands higher on the other wall than it began: that is what a rate that is too high looks like. The steepest direction
# sets the limit for all.
#
# **Weight decay** (가중치 감쇠) pulls weights towards 0. Matterport adds $10^{-4}$ times the *mean* square of each
# kernel, and so do we. How much is that?

# %% id="decay"
kernels = [array.astype(np.float64) for name, array in lab.weights.items() if name.endswith(("/kernel", "/bias"))]
print(f"of the trained detector: {1e-4 * sum(np.mean(kernel**2) for kernel in kernels):.4f}, added to a loss near 1")
largest = max(kernels, key=np.size)
print(f"its pull on a weight of 0.1 in the largest kernel: {2 * 1e-4 * 0.1 / largest.size:.0e}")

# %% [markdown] id="decay-note"
# Next to nothing. The usual weight decay is $10^{-4}$ times the *sum* of squares; the mean is smaller by the number of
# weights in the kernel. It stands in Matterport's code, and whoever reads "weight decay 0.0001" there should not expect
# much of it.
#
# ## 4. From where: statistics
#
# A **batch normalisation** (배치 정규화) shifts and scales each channel to mean 0 and variance 1. While detecting it
# uses statistics that were *recorded* in training. Matterport trains with batches of one or two films, too few for
# statistics, so it keeps them **frozen**: the recorded ones of the weights that were loaded. That is right, if weights
# *were* loaded. The slides show no `load_weights`. Then the "recorded" statistics are mean 0 and variance 1, and a
# normalisation does nothing at all.
#
# Here TensorFlow begins to work. With one thread each run gives the same numbers, to the last bit.

# %% id="tensorflow"
import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")  # TensorFlow's messages stay away

from mini_rcnn.training.devices import prepare_devices

prepare_devices(DEMO.training, threads=1)

# %% id="small"
from mini_rcnn.config import changed
from mini_rcnn.training.settings import Stage, changed_training

config = changed(DEMO.config, image__size=64, image__spread=None, anchors__scales=(8, 14, 22, 32, 48))
config = changed(config, proposals__max_training_proposals=200, targets__max_rois=48)
plain = {"average": 0.0, "choose_threshold": False, "augmentation": "none", "norms": "recorded", "warm_up_steps": 10}
plain["best_by"] = "loss"
masks = "true" if lab.tier == "phantoms" else "boxes"
stages = (Stage(7, 0.006, final_rate=0.0005),)
training = changed_training(DEMO.training, stages=stages, steps=15, batch_size=4, optimiser="sgd", masks=masks, **plain)

# %% [markdown] id="feed-text"
# `config` is the network, `training` what is done to it: 7 epochs of 15 steps of 4 films, SGD, the rate from 0.006 down
# to 0.0005. The films are shrunk to 64 pixels once, and split by patient (lab 01). The network is the demo's with two
# differences: one mean is taken from all films, as in the project; and its heads learn from any 48 of 200 proposals.
# The demo's learn from the 32 that look most like an opacity, and so short a training would have next to none among
# them.

# %% id="feed"
import tempfile
from pathlib import Path

from mini_rcnn.data.cache import open_prepared, prepare_folder
from mini_rcnn.data.splits import side_records, split_by_patient
from mini_rcnn.training.feed import Data, Feed

work = Path(tempfile.mkdtemp())
prepare_folder(lab.folder, size=64, records=lab.records, to=work / "prepared", workers=1)
split = split_by_patient(lab.records, seed=1, fractions=(0.75, 0.25, 0.0))

# %% id="feed-made"
sides = [side_records(split, side, lab.records) for side in ("train", "validation")]
feed = Feed(Data(open_prepared(lab.folder, size=64, at=work / "prepared"), *sides), config, training)
for name, side in zip(("to learn from", "to judge with"), sides):
    print(f"{name}: {len(side)} films, {sum(len(record.boxes) > 0 for record in side)} of them with opacities")

# %% id="statistics"
from mini_rcnn.stages.backbone import resnet
from mini_rcnn.training.start import random_start, record_statistics

images = next(iter(feed.statistics_batches())).images
random = random_start(config, seed=0)
recorded = record_statistics(random, images, config)
print(f"recorded on {len(images)} films: {sum(name.endswith('/mean') for name in recorded)} normalisations")

# %% id="spreads"
names, spreads = ("c2", "c3", "c4", "c5"), []
for title, weights in (("random, mean 0, variance 1", random), ("random, statistics recorded", recorded)):
    features = resnet(images[0], weights, blocks=config.backbone.blocks)
    spreads.append((title, [float(np.std(features[name])) for name in names]))
    print(f"{title}:", ", ".join(f"{name} {spread:.1f}" for name, spread in zip(names, spreads[-1][1])))
show(lab_10.spreads_figure(names, spreads))

# %% [markdown] id="spreads-note"
# Without statistics the numbers are as large as grey levels, and every loss and gradient with them. With statistics
# recorded on 16 films, layer after layer, they are of the size that everything downstream expects.
#
# What does it do to a training? Both were recorded, with the demo's network on 1,280 phantoms
# ([commands](../docs/curves.md)). The score is the challenge's, on validation films.

# %% id="recorded"
from mini_rcnn.classroom.lab import ROOT
from mini_rcnn.view.run_tables import read_columns

with_statistics = read_columns(ROOT / "docs" / "demo_epochs.csv")
without = read_columns(ROOT / "docs" / "demo_epochs_random.csv")
for name, run in (("recorded statistics", with_statistics), ("mean 0, variance 1", without)):
    print(f"{name:20} score after each epoch: " + "  ".join(f"{score:.2f}" for score in run["rsna"]))

# %% [markdown] id="batch-text"
# **And the statistics of the batch itself?** Of one film they say little, of eight films enough. Then each layer is
# normalised by mean and variance of the batch at hand, in every step, and gradients go through both; a moving average
# of them is recorded, which the network repeats when it detects (Ioffe and Szegedy 2015; Matterport does it where
# `TRAIN_BN` is `None`). `norms = "batch"` in `training` does it here, for all but the mask head, which sees only the
# few objects of a batch. A step takes a sixth longer, and more is learnt in each: the best score that any threshold has
# on 1,600 unseen phantoms was 0.59 to 0.64 in ten trainings of the demo's network with recorded statistics (1,680 steps
# at a rate of 0.002), and 0.63 to 0.66 in five by the batch (1,500 steps at 0.003) on the same films. The demo's preset
# does it so. (The training below does not: batches of four, and few steps.)

# %% [markdown] id="train-text"
# ## 5. A training of your own
#
# `Learner` holds the weights and does a step; `Loop` does epochs, validation, checkpoints. The first step takes
# longest: TensorFlow builds the graph of the whole network and of its gradient.

# %% id="learner"
from mini_rcnn.training.step import Learner

learner = Learner(config, training, recorded)
beginning = learner.state()
batch = next(feed.training_batches())[0]
told = learner.step(batch, rate=0.0, number=0)  # at a rate of 0 nothing changes
for name in ("rpn_class", "rpn_box", "head_class", "head_box", "head_mask", "total", "norm"):
    print(f"{name:10} {told[name]:.1f}")

# %% [markdown] id="learner-question"
# `norm` is that of the gradient, before clipping.
#
# **Predict.** These are the losses of random weights. `head_mask` is 0.69 wherever there is an object to paint. Why
# that number? And why is `rpn_class` far below it?
#
# <details><summary>Answer</summary>
#
# A sigmoid of nearly 0 says one half for every cell, and $-\log \tfrac12 = 0.69$: no opinion. `rpn_class` begins lower
# because our random start puts background ahead (a bias of 2, so a probability of 0.88): most anchors *are* background,
# and a network that knows that much from its first step wastes none on learning it.
#
# </details>

# %% [markdown] id="slides-start-text"
# And the slides' start? The same random weights, the same films, but no statistics recorded:

# %% id="slides-start"
learner.restore({**beginning, **{f"weights/{name}": array for name, array in random.items()}})
bare = learner.step(batch, rate=0.0, number=0)
learner.restore(beginning)
print(f"total loss {bare['total'] / told['total']:.0f} times, norm {bare['norm'] / told['norm']:.0f} times as large")

# %% [markdown] id="slides-start-note"
# On the phantoms the gradient's norm is over 2,000 in place of 4. Clipped to 5, little more is left of it than a
# direction, and that is of the moment. (Matterport's random start differs from ours in its numbers, not in this.)

# %% id="train"
from mini_rcnn.training.loop import Loop

(work / "whole").mkdir()
print("Training:", Loop(learner, feed, work / "whole", quiet=True).run())

# %% id="trained"
run = read_columns(work / "whole" / "epochs.csv")
show(lab_10.epochs_figure([("training", run["train_total"]), ("validation", run["validation_total"])]))
for name in ("total", "rpn_class", "rpn_box"):
    losses = run[f"train_{name}"]
    fell = "yes" if losses[-1] < losses[0] / 2 else "no"
    print(f"{name}: the training loss fell to less than half of the first epoch's: {fell}")

# %% [markdown] id="trained-note"
# It learns: from nothing, in 105 steps. (Your curve is not exactly ours. TensorFlow 1.15 and 2.21 add in another order;
# after a hundred steps a difference in the seventh digit is one in the first.) The two curves are not to be compared in
# height: half of the films that it learns from have opacities, of those that judge it fewer.
#
# ## 6. When to stop
#
# A network with a million weights can learn its films by heart. Then the training loss goes on falling, and on other
# films it gets *worse*: **overfitting** (과적합). So after each epoch the validation loss decides, and the weights of
# the best epoch are kept. Write that.

# %% id="best" exercise="mini_rcnn.training.descent:best_epoch"

# %% id="best-check"
check("descent.best_epoch", best_epoch)

# %% [markdown] id="overfit-text"
# A longer training, recorded: the demo's network learns from 100 films, the same ones over and over, never changed, and
# is judged on 100 others.
#
# **Predict.** Before you run the cell: at which of its 16 epochs would you stop, if you saw the training loss alone?

# %% id="overfit"
from mini_rcnn.training.descent import best_epoch

long = read_columns(ROOT / "docs" / "overfit_epochs.csv")
best = best_epoch(long["validation_total"])
curves = [("training", long["train_total"]), ("validation", long["validation_total"])]
show(lab_10.epochs_figure(curves, best=best, title="100 films, 16 epochs"))
for name, epoch in ((f"best, epoch {best + 1}", best), ("last, epoch 16", -1)):
    learnt, judged = long["train_total"][epoch], long["validation_total"][epoch]
    print(f"{name:16} training {learnt:.2f}, validation {judged:.2f}")

# %% [markdown] id="overfit-note"
# <details><summary>Answer</summary>
#
# At the last, or nearly: the training loss hardly stops falling. What the network learnt after its best epoch was these
# 100 films, and nothing about films in general. The validation loss says when to stop, and only if its films belong to
# *other patients* (lab 01). It also jumps: 100 films, of which every fifth has an opacity, are few. How deep the dip at
# the best epoch is may be luck; that the curve does not follow the training's is not.
#
# </details>
#
# A training of the demo's network has more than a thousand films, here 1,280, each changed at random whenever it is
# shown (lab 09). It does not get that far:

# %% id="demo-curves"
curves = [(name, with_statistics[f"{name}_total"]) for name in ("train", "validation")]
best = best_epoch(with_statistics["validation_total"])
show(lab_10.epochs_figure(curves, best=best, title="the demo: 1,280 films, 6 epochs of 280 steps"))
print(f"best: epoch {best + 1}, validation loss {with_statistics['validation_total'][best]:.3f}")

# %% [markdown] id="monitor-text"
# ### A panel for any run
#
# The same curves for any run, while it goes on or when it is over: `TrainingMonitor("../runs/mine")` also stops it, as
# Ctrl-C does. Here the recorded one of 100 films. **Try this; say first what you expect.**
#
# 1. Choose each loss in turn: which falls in training and not in validation?
# 2. Where is the best epoch, and how far is the validation loss from it at the end?
#
# <details><summary>Answer</summary>
#
# In total, training falls to 0.13; validation is lowest at epoch 6 (1.02) and ends at 1.55.
#
# </details>

# %% id="monitor"
from mini_rcnn.widgets import TrainingMonitor

panel = TrainingMonitor(ROOT / "docs" / "overfit_epochs.csv")
panel

# %% [markdown] id="resume-text"
# ## 7. Killed, and on again
#
# A training of hours will be interrupted: a power cut, a colleague, a time limit. A **checkpoint** (체크포인트) holds
# everything that the next step depends on.
#
# **Predict.** Weights are not enough. What else must be in it, if the numbers shall be *the same* as without the
# interruption?
#
# <details><summary>Answer</summary>
#
# The optimiser's velocities; which step it is (for the rate, the warm-up and the dice of lab 08); which films of this
# pass were shown already, and in which order the others come; the losses of the epoch so far; and which epoch was best.
# Here all randomness comes from the seed and the number of the step, so no generator has to be kept.
#
# </details>
#
# We stop the same training after 3 steps, wipe every weight and velocity from memory, read the checkpoint, and go on
# for 3 more.

# %% id="resume-given"
from mini_rcnn.training.checkpoints import newest_checkpoint
from mini_rcnn.training.loop import CHECKPOINTS, INTERRUPTED, Progress


def train_until(number, progress):
    """Train in the folder "broken" until so many steps are done, then stop as if told to."""
    stop = lambda seconds: INTERRUPTED if progress.number >= number else None  # noqa: E731 (the loop asks it)
    loop = Loop(learner, feed, work / "broken", progress=progress, must_stop=stop, quiet=True)
    print(f"{loop.run()} after step {loop.progress.number}")


# %% id="resume"
(work / "broken").mkdir()
learner.restore(beginning)
train_until(3, Progress())
learner.restore({name: np.zeros_like(array) for name, array in beginning.items()})  # nothing is left in memory
found = newest_checkpoint(work / "broken" / CHECKPOINTS)
learner.restore(found.arrays)
train_until(6, Progress.from_facts(found.facts["progress"]))

# %% id="resumed"
whole, broken = ((work / name / "steps.csv").read_text().splitlines()[1:7] for name in ("whole", "broken"))
print(f"{len(broken)} steps; their losses, to the last digit of each: {'the same' if whole == broken else 'different'}")

# %% [markdown] id="slips-text"
# ## 8. The slides' training, read before it runs
#
# A training of fifteen hours deserves a minute of reading first. `python3 lab.py lint FILE` reads a configuration
# without running it. Here is what the slides show, as Matterport's classes have it:

# %% id="slips"
code = """class LungConfig(Config):
    NUM_CLASSES = 2
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 256
    RPN_ANCHOR_SCALES = (32, 64, 128, 256)
    TRAIN_ROIS_PER_IMAGES = 32
model = MaskRCNN(mode="training", config=LungConfig(), model_dir="logs")
model.train(train, validation, learning_rate=0.012, epochs=2, layers="all")
model.train(train, validation, learning_rate=0.006, epochs=13, layers="all")
model.train(train, validation, learning_rate=0.003, epochs=21, layers="all")"""

# %% id="lint"
from mini_rcnn.linting.findings import finding_text, sorted_findings
from mini_rcnn.linting.matterport import lint_matterport
from mini_rcnn.linting.reading import read_target

(work / "slides.py").write_text(code)
(target,) = read_target(str(work / "slides.py"))
found = lint_matterport(target.settings, script=target.script)
for finding in sorted_findings(found):
    if finding.level != "note":
        print(finding_text(finding), end="\n\n")

# %% [markdown] id="slips-note"
# One letter, `TRAIN_ROIS_PER_IMAGES`, and Matterport keeps its 200 without a word: Python lets anybody invent a
# setting. (Ours refuses an unknown one and names the nearest.) None of this is a reproach: every one of these
# slips is silent. That is why they are worth a tool. (`NAME` is our shortening: Matterport needs one.)
#
# ## 9. The full training
#
# ```
# python3 lab.py train --list                                                # presets, and what they cost
# python3 lab.py train --preset slides --data data/rsna --out runs/slides    # the project's, its slips mended
# python3 lab.py train --preset gpu    --data data/rsna --out runs/gpu       # what we would do on a GPU today
# python3 lab.py train --out runs/gpu --resume                               # after a kill
# ```
#
# `slides` takes about 15 hours on a GPU with 8 GB, `gpu` 2 to 4 on one with 16 GB: estimates, nobody has run them yet.
# Each writes `curves.png`, the tables drawn above, and `best.weights.npz`. `start_lab("10", training="full")` at the
# top of this lab, or `MINI_RCNN_TRAINING=full`, runs `gpu` in the next cell.

# %% id="full"
from mini_rcnn.train import main as train

if lab.training == "full":
    films = "phantoms" if lab.tier == "phantoms" else str(lab.folder)
    os.chdir(str(ROOT))
    print("Exit code:", train(["--preset", "gpu", "--data", films, "--out", "runs/lab-10", "--resume"]))
else:
    print("small: the training above was all; the full one was not asked for")

# %% [markdown] id="end"
# ## What you have built
#
# The rate of every step, the step itself, and the choice of the epoch to keep: the same arithmetic that trains the full
# detector. **To think about:** the validation loss chose the epoch. Then the threshold of lab 11 is chosen on the same
# films. What is the score on these films worth after that, and which films should the last number come from?
