"""One submission is graded: its cells run, its functions are judged as soon as they stand there."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from mini_rcnn.checks.judging import ENDLESS, Verdict, verdict_on

from .catalogue import plain, shape_of
from .exchange import read_results
from .planning import plan
from .session import Kernel, KernelError

CRASHES = 3  # of cells; after so many the rest of a notebook is not run
LOOK_SECONDS = 20.0
TOLD = 3  # errors of cells that are told of; they stop nothing
LIBRARY = "It hands the work to the library's own function. Which steps would that one take? Write them yourself."
ENDED = "The function ends Python itself. What in it leaves the process, or never comes back from C?"
TOO_MUCH = "The function asks for more and more memory. Which list or array grows, and where does it stop?"
NOT_JUDGED = "The results could not be read. Restart the kernel, run all cells from the top, and look at the check."
SYNTAX = "Python cannot read the cell. Run it, and look where the ^ points."


class Limits(NamedTuple):
    """What a submission may use."""

    cell: float = 60.0  # seconds of a cell
    case: float = 10.0  # seconds of one case of an exercise, if the exercise does not ask for less
    exercise: float = 120.0  # seconds of all cases of an exercise
    notebook: float = 900.0  # seconds of all together
    memory: int = 4 << 30  # bytes
    cores: int = 1


class Mark(NamedTuple):
    """What one exercise earned."""

    verdict: str  # "ok", "no" or "todo"
    seconds: float = 0.0
    what: str = ""  # what is wrong
    hint: str = ""
    note: str = ""


class Restart(Exception):
    """The kernel is gone: from the top again, without what ended it."""


class Marker:
    """Grades one notebook.

    Parameters
    ----------
    notebook : Notebook
    lab : Lab
    questions : Questions
    limits : Limits
    mark, folder : str, path
        As of `Kernel`.
    tell : callable
        Of the name of a function and its `Mark`, as soon as it is known.
    all_cells : bool
    """

    def __init__(
        self, notebook, lab, questions, limits, mark, folder, *, tell=lambda name, mark: None, all_cells=False
    ):
        self.notebook, self.lab, self.questions, self.limits = notebook, lab, questions, limits
        self.mark, self.folder, self.tell = mark, folder, tell
        self.pieces = plan(notebook, lab, all_cells=all_cells)
        self.targets = {name: exercise.target for name, exercise in lab.exercises.items()}
        self.bad = {}  # place of a piece -> 1: its definitions alone are run, 2: nothing of it is
        self.judged = {}  # (name, place of the piece) -> Mark
        self.counted, self.imported, self.problems = {}, set(), {}
        self.notes, self.errors, self.crashes, self.is_cut_short = [], [], 0, False
        self.ends = time.monotonic() + limits.notebook

    def grade(self):
        """Return ``{name of the function: Mark}`` and the notes on the whole notebook."""
        while self.targets and any(piece.is_students for piece in self.pieces):
            try:
                with self.kernel() as kernel:
                    self.go_through(kernel)
                break
            except Restart:
                if self.crashes > CRASHES:
                    self.note(f"not run to its end: cells ended the kernel {self.crashes} times")
                    self.is_cut_short = True
                    break
        more = [f"{len(self.errors) - TOLD} more cells raise errors"] * (len(self.errors) > TOLD)
        return {name: self.final(name) for name in self.targets}, [*self.notes, *self.errors[:TOLD], *more]

    def kernel(self):
        """Return a fresh kernel; one that does not start is tried once more."""
        for again in (True, False):
            try:
                return Kernel(self.mark, self.folder, memory=self.limits.memory, cores=self.limits.cores)
            except KernelError:
                if not again:
                    raise
        return None

    def note(self, text):
        """Keep a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def go_through(self, kernel):
        """Run the pieces in a kernel, and judge what they define."""
        self.imported, numbers = set(), {}
        for place, piece in enumerate(self.pieces):
            text = (piece.text, piece.defining, "")[self.bad.get(place, 0)]
            if not text:
                continue
            left = self.ends - time.monotonic()
            if left <= 0:
                self.note(f"stopped at cell {piece.number}: all together took longer than {self.limits.notebook:g} s")
                self.is_cut_short = True
                return
            self.reply(place, piece, kernel.run(text, min(self.limits.cell, left)))
            states = self.look(kernel, place, piece)
            for name, (whose, number) in states.items():
                if whose == "library":
                    self.imported.add(name)
                if whose == "student" and numbers.get(name) != number:
                    self.define(kernel, name, place)
                numbers[name] = number

    def reply(self, place, piece, reply):
        """Take note of how a piece ended."""
        if reply.kind == "error":
            said = f"cell {piece.number}: {reply.text}"
            self.problems.update(dict.fromkeys(piece.names, said))
            self.errors += [said] * (piece.is_students and said not in self.errors)
        elif reply.kind == "stopped":
            self.bad[place] = min(self.bad.get(place, 0) + 1, 2)
            self.note(f"cell {piece.number} was stopped after {self.limits.cell:g} s")
        elif reply.kind != "ok":
            self.crash(place, piece, reply.kind)

    def crash(self, place, piece, kind):
        """Leave a piece out that ended the kernel; one as it was handed out is not to blame, the one before it is."""
        while not piece.is_students and place > 0 and kind == "died":
            place -= 1
            piece = self.pieces[place]
        words = {
            "died": "ended the kernel",
            "memory": f"held more than {self.limits.memory / (1 << 30):g} GB",
            "hung": f"could not be stopped after {self.limits.cell:g} s",
        }
        self.note(f"cell {piece.number} {words[kind]}")
        is_all = piece.defining == plain(piece.text)  # it would be run a second time
        self.bad[place] = 2 if is_all else min(self.bad.get(place, 0) + 1, 2)
        self.crashes += 1
        raise Restart

    def look(self, kernel, place, piece):
        """Return whose functions stand under the exercises' names."""
        reply, path = kernel.ask({"do": "look", "targets": self.targets}, LOOK_SECONDS)
        if reply.kind in ("died", "memory", "hung", "stopped"):
            self.crash(place, piece, "hung" if reply.kind == "stopped" else reply.kind)
        answer = read_states(path, self.targets) if path else None
        if answer is None:
            self.note(f"after cell {piece.number} the kernel no longer does what it is asked")
            return {}
        if answer[1]:
            self.crash(place, piece, "died")  # it was told to shut down, and is about to
        return answer[0]

    def define(self, kernel, name, place):
        """Judge a definition; it counts if it is the last one before the library's takes its place."""
        if name in self.imported and name in self.counted:
            return
        known = (name, place) in self.judged
        if not known:
            mark, lost = self.judge(kernel, name)
            self.judged[name, place] = mark
            self.tell(name, mark)
        self.counted[name] = self.judged[name, place]
        if not known and lost:
            raise Restart

    def judge(self, kernel, name):
        """Return the `Mark` of the function that stands under a name now, and whether the kernel is lost."""
        exercise = self.lab.exercises[name]
        cases, expected, inputs = self.questions.of(exercise)
        path = kernel.keep(f"{name}.cases", inputs)
        seconds = min(exercise.seconds, self.limits.case)
        job = {
            "do": "judge", "name": name, "target": exercise.target, "cases": str(path), "seconds": seconds,
            "total": self.limits.exercise,
        }  # fmt: skip
        began = time.monotonic()
        reply, answer = kernel.ask(job, self.limits.exercise + 3 * seconds)
        took = time.monotonic() - began
        if answer is None:
            return Mark("no", took, *without_answer(reply, self.limits)), reply.kind in ("died", "memory", "hung")
        try:
            results = read_results(answer)
        except (ValueError, MemoryError) as error:
            return Mark("no", took, str(error), NOT_JUDGED), False
        mark = mark_of(exercise, cases, expected, results)._replace(seconds=took)
        return mark, bool(results) and results[-1].running

    def final(self, name):
        """Return the `Mark` of an exercise."""
        mark = self.counted.get(name)
        if mark is None:
            return self.unanswered(name)
        texts = [shape_of(piece.text, name) for piece in self.pieces if name in piece.names and piece.is_students]
        if mark.verdict == "ok" and self.lab.solved[name] in texts:
            return mark._replace(note="word for word the library's text")
        return mark

    def unanswered(self, name):
        """Return the `Mark` of an exercise for which no function was found."""
        handed_out = [cell for cell in self.notebook.cells if self.lab.texts.get(plain(cell.text)) == "exercise"]
        if any(f"def {name}(" in cell.text for cell in handed_out):
            return Mark("todo")
        if name in self.problems:
            problem = self.problems[name]
            syntax = any(word in problem for word in ("SyntaxError", "IndentationError", "TabError"))
            return Mark("no", what=problem, hint=SYNTAX if syntax else "", note=f"`{name}` is never defined")
        if self.is_cut_short and any(name in piece.names and piece.is_students for piece in self.pieces):
            return Mark("no", what="its cell was not reached")
        return Mark("todo", note=f"there is no function `{name}` but the library's")


def without_answer(reply, limits):
    """Return what is wrong and a hint where a function ended its kernel."""
    if reply.kind == "memory":
        return f"held more than {limits.memory / (1 << 30):g} GB", TOO_MUCH
    if reply.kind in ("hung", "stopped"):
        return f"did not finish within {limits.exercise:g} s", ENDLESS
    if reply.kind == "died":
        return "ended the kernel", ENDED
    return reply.text or "gave no results", NOT_JUDGED


def mark_of(exercise, cases, expected, results):
    """Return the `Mark` of results, its time left out."""
    if any(result.kind == "LibraryCalledError" for result in results):
        return Mark("no", what="calls the library's own function", hint=LIBRARY)
    if not results:
        return Mark("no", what="gave no results", hint=NOT_JUDGED)
    if any(result.kind == "NotImplementedError" for result in results[1:]):
        results = [
            result._replace(kind="NotWritten") if result.kind == "NotImplementedError" else result for result in results
        ]
    verdict = verdict_on(exercise, cases, expected, results[: len(cases)])
    notes = f"changes its argument {', '.join(str(number + 1) for number in verdict.changed)}" * bool(verdict.changed)
    return Mark(verdict.kind, what=words_of(verdict), hint=verdict.hint, note=notes)


def words_of(verdict: Verdict):
    """Return what is wrong, in a line."""
    if verdict.kind != "no":
        return ""
    where = f"case '{verdict.case.name}': " if verdict.case else ""
    count = f" ({verdict.n_failed} of {verdict.n_cases} cases failed)" if verdict.n_failed else ""
    return f"{where}{verdict.text}{count}"


def read_states(path, targets):
    """Return ``({name: (whose, number)}, whether the kernel is about to end)``; None for what says neither."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        states = {name: (str(content["states"][name][0]), int(content["states"][name][1])) for name in targets}
        return states, bool(content["ending"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
