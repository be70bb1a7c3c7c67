"""Raw outputs of a network on many films, as `mini_rcnn.exploring.collect.collect` wrote them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from mini_rcnn.config import Config, from_dict
from mini_rcnn.stages.nms import non_max_suppression

from .chunks import INDEX, LAYOUT, RawError, chunk_path, read_chunk, read_masks, read_part
from .pairs import keep_by_pairs, overlapping_pairs

REMOVED = np.iinfo(np.int32).max  # in place of a place: the proposal does not stay
UNKNOWN = -1
PAIRS_FROM = 0.3  # RPN thresholds from here on are served by pairs that were found at the opening
MOST_PAIR_ROWS = 1200  # proposals of a film; of more the pairs would take too much memory
MOST_PAIRS = 40 * 10**6  # of all films together: 480 MB
REMEMBERED = 24  # RPN thresholds whose result is kept


class RawOutputs:
    """What a network said of films before any threshold. `open_raw` makes it.

    Attributes
    ----------
    ids : tuple of str
    config : Config
        The network's, with the thresholds that are asked for by default.
    weights_sha256 : str
        Of the network's arrays, `mini_rcnn.weights.checksum`.
    size : int
        Pixels, side of the network's input.
    floor : float
        No candidate below this score is here.
    film_sizes : ndarray of shape (F, 2), int
        Height and width of each film, pixels.
    starts : ndarray of shape (F + 1,), int
        Film f's candidates are the rows ``starts[f]`` to ``starts[f + 1]`` of the next ones, best score first.
    film_of : ndarray of shape (C,), int
        The film of each candidate, its place among ``ids``.
    class_ids : ndarray of shape (C,), int64
    scores : ndarray of shape (C,), float32
    boxes : ndarray of shape (C, 4), float32
        ``(y1, x1, y2, x2)``, pixels of the network input.
    film_boxes : ndarray of shape (C, 4), float64
        Pixels of the film.
    on_film : ndarray of shape (C,), bool
        Whether the box has an area there.
    rows : ndarray of shape (C,), int
        The proposal that it comes from, counted within the film.
    """

    def __init__(self, folder, index, chunks):
        self.folder, of = Path(folder), index["of"]
        self.ids, self.config = tuple(index["ids"]), from_dict(Config, index["settings"])
        self.weights_sha256, self.size, self.floor = of["weights"], of["size"], of["floor"]
        joined = {name: joined_axis(chunks, name) for name in LAYOUT}
        self.film_sizes, self.class_ids = joined["film_sizes"], joined["class_ids"].astype(np.int64)
        self.scores, self.rows = joined["scores"], joined["rows"]
        self.boxes, self.film_boxes, self.on_film = joined["boxes"], joined["film_boxes"], joined["on_film"]
        self.starts = np.concatenate([[0], np.cumsum(joined["n_candidates"])])
        self.film_of = np.repeat(np.arange(len(self.ids)), joined["n_candidates"])
        self._proposals, self._mask_sums = joined["proposals"], joined["mask_sums"]
        self._proposal_starts = np.concatenate([[0], np.cumsum(joined["n_rows"])])
        self._chunk, self._number = index["chunk"], {image_id: film for film, image_id in enumerate(self.ids)}
        self._places, self._masks, self._pairs = OrderedDict(), (None, None), {}
        self._find_pairs()

    def __len__(self):
        return len(self.ids)

    def film_number(self, film):
        """Return the place of a film among ``ids``; it may be given by id or by place."""
        if isinstance(film, str):
            if film not in self._number:
                raise ValueError(f"film must be one of the {len(self)} that were looked at, got {film!r}")
            return self._number[film]
        if not 0 <= film < len(self):
            raise ValueError(f"film must be the place of one of {len(self)}, got {film!r}")
        return int(film)

    def candidates(self, film):
        """Return the slice of a film's candidates."""
        film = self.film_number(film)
        return slice(int(self.starts[film]), int(self.starts[film + 1]))

    def proposals(self, film):
        """Return a film's boxes before suppression, (L, 4) float32, pixels of the network input, best first."""
        film = self.film_number(film)
        return self._proposals[self._proposal_starts[film] : self._proposal_starts[film + 1]]

    def masks(self, film):
        """Return the mask probabilities of a film's candidates, (C, 28, 28) float16, read from disk and verified."""
        film = self.film_number(film)
        if self._masks[0] != film:
            number, place = divmod(film, self._chunk)
            n_masks = int(self.starts[film + 1] - self.starts[film])
            self._masks = film, read_masks(self.folder, number, place, n_masks, self._mask_sums[film])
        return self._masks[1]

    def places(self, iou_threshold, film=None):
        """Return each candidate's proposal's place among those that stay in suppression, or `REMOVED`.

        Parameters
        ----------
        iou_threshold : float
            In [0, 1], of the suppression of proposals.
        film : str or int, optional
            All films by default.

        Returns
        -------
        places : ndarray of shape (C,), int32
            Of the film's, or of all candidates. A limit on the number of proposals leaves the places below it.
        """
        threshold = float(iou_threshold)
        if threshold not in self._places:
            self._places[threshold] = np.full(len(self.scores), UNKNOWN, dtype=np.int32)
            if len(self._places) > REMEMBERED:
                self._places.popitem(last=False)
        self._places.move_to_end(threshold)
        places = self._places[threshold]
        wanted = slice(None) if film is None else self.candidates(film)
        for number in np.unique(self.film_of[wanted][places[wanted] == UNKNOWN]).tolist():
            self._fill_places(places, number, threshold)
        return places[wanted]

    def _fill_places(self, places, film, threshold):
        members = self.candidates(film)
        rows = self.rows[members]
        keep = self._keep(film, threshold, int(rows.max()) + 1)
        places[members] = np.where(keep[rows], np.cumsum(keep)[rows] - 1, REMOVED)

    def _keep(self, film, threshold, until):
        """Return which of a film's proposals up to its last candidate stay, (until,) bool; those behind remove none."""
        if film in self._pairs and PAIRS_FROM <= threshold < 1:
            first, second, iou = self._pairs[film]
            over = iou > np.float32(threshold)
            return keep_by_pairs(first[over], second[over], until)
        keep = np.zeros(until, dtype=bool)
        keep[suppressed(self.proposals(film)[:until], threshold)] = True
        return keep

    def kept_proposals(self, film, iou_threshold, max_proposals):
        """Return the rows of a film's `proposals` that stay in suppression, best first."""
        return suppressed(self.proposals(film), iou_threshold)[:max_proposals]

    def _find_pairs(self):
        """Find the pairs of proposals that can matter: none behind a film's last candidate, none without one."""
        n_pairs = 0
        for film in np.unique(self.film_of).tolist():
            until = int(self.rows[self.candidates(film)].max()) + 1
            if until <= MOST_PAIR_ROWS and n_pairs < MOST_PAIRS:
                self._pairs[film] = overlapping_pairs(self.proposals(film)[:until], PAIRS_FROM)
                n_pairs += len(self._pairs[film][0])


def suppressed(boxes, iou_threshold):
    """Return the rows of boxes, which stand best first, that stay."""
    if iou_threshold == 1:  # no IoU is greater
        return np.arange(len(boxes))
    return non_max_suppression(boxes, np.arange(len(boxes), 0, -1), iou_threshold=iou_threshold)


def joined_axis(chunks, name):
    """Return an array of all chunks, as long as they are together."""
    _, dtype, shape = LAYOUT[name]
    return np.concatenate([np.zeros((0, *shape), dtype), *(arrays[name] for arrays in chunks)])


def open_raw(path):
    """Return the raw outputs in a folder.

    Parameters
    ----------
    path : path
        Written by `mini_rcnn.exploring.collect.collect`.

    Returns
    -------
    RawOutputs
        All but the masks is in memory.

    Raises
    ------
    RawError
        If it is missing, unfinished, cut off, damaged, or no such folder; the text names the file.

    Examples
    --------
    >>> open_raw("nowhere")
    Traceback (most recent call last):
    ...
    mini_rcnn.exploring.chunks.RawError: nowhere: there is no such folder of raw outputs.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file; raw outputs are a folder." if folder.exists() else "there is no such folder of raw outputs."
        raise RawError(f"{folder}: {what}")
    if not (folder / INDEX).exists():
        begun = chunk_path(folder, "boxes", 0).exists()
        what = "is not finished; collect again, it goes on where it ended." if begun else "holds no raw outputs."
        raise RawError(f"{folder}: {what}")
    _, index = read_part(folder / INDEX)
    chunks = []
    try:
        for number, sha256 in enumerate(index["chunks"]):
            arrays, head = read_chunk(folder, number)
            if (head["sha256"], head["of"]) != (sha256, index["of"]):
                raise RawError(
                    f"{chunk_path(folder, 'boxes', number)}: is not the file that was written; collect again."
                )
            chunks.append(arrays)
        return RawOutputs(folder, index, chunks)
    except (KeyError, TypeError, IndexError) as error:
        raise RawError(f"{folder / INDEX}: lacks what it should hold ({error}).") from None
    except ValueError as error:
        if isinstance(error, RawError):
            raise
        raise RawError(f"{folder / INDEX}: its configuration cannot be used: {error}.") from None
