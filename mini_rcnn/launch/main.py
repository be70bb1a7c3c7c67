"""What ``python3 lab.py`` does: read the arguments, choose and make the environment, hand over."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from mini_rcnn.launch import active, choosing, environments, gpus, locks, serve
from mini_rcnn.launch.errors import LabError
from mini_rcnn.launch.processes import shorten_home
from mini_rcnn.launch.progress import Progress

ROOT = Path(__file__).resolve().parent.parent.parent

EXAMPLES = """
examples:
  python3 lab.py                        make what is missing and open the labs
  python3 lab.py --env modern           the same with today's TensorFlow
  python3 lab.py test                   run the tests
  python3 lab.py test -k boxes          some of them: what stands behind a verb goes to it
  python3 lab.py train --preset demo --data phantoms --out runs/demo      train a small detector in minutes
  python3 lab.py detect film.dcm        look at a film with the weights that came along
  python3 lab.py bench stages           time the stages
  python3 lab.py doctor                 what is wanted, found, wrong, and what to type

VERB --help says more about a verb.
"""

DOCTOR_EXAMPLES = """
examples:
  python3 lab.py doctor                 for people
  python3 lab.py doctor --json          for programs; exit code 0 where the lab can be used, else 1
"""


def parse(argv):
    """Return the launcher's own arguments; all that stands behind the verb is left to the verb."""
    parser = argparse.ArgumentParser(
        prog="lab.py",
        description="Open the Mask R-CNN pneumonia lab, or run one of its verbs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--env",
        choices=("classic", "modern", "active"),
        help="classic: Python 3.7, TensorFlow 1.15 and Matterport's code, the default where a Python 3.7 can be had. "
        "modern: today's Python and TensorFlow. active: the environment this runs in; nothing is installed",
    )
    parser.add_argument("--remake", action="store_true", help="make the environment anew, whatever is there")
    parser.add_argument("--port", type=int, default=8888, help="where to serve; if in use, the next free one")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        default=serve.LOOPBACK,
        help="serve to other machines as well, on this address of this machine; the token is still asked for",
    )
    verbs = (
        "test, data, train, detect, evaluate, thresholds, alarms, experiment, lint, bench, labs, grade, leaderboard, "
        "doctor; without one, the labs are opened"
    )
    parser.add_argument("verb", nargs="?", help=verbs)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the verb takes")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the launcher and return its exit code."""
    options = parse(sys.argv[1:] if argv is None else argv)
    progress = Progress()
    try:
        if options.verb == "doctor":
            return doctor(options.arguments)
        if options.verb in ("test", "bench") and options.arguments[:1] in (["-h"], ["--help"]):
            from mini_rcnn import cli

            return cli.main([options.verb, *options.arguments])
        return start(options, progress)
    except LabError as error:
        progress.say(f"lab.py: {shorten_home(error)}")
        return 1
    except KeyboardInterrupt:
        progress.say("Stopped. The next run goes on from here.")
        return 130


def start(options, progress):
    """Have the environment ready, then open the labs or run the verb in it; return the exit code."""
    if options.env == "active":
        different = active.check(ROOT, progress.say)
        python, folder = Path(sys.executable), None
        if any(name == "jupyterlab" and found is None for name, _, found in different) and not options.verb:
            raise LabError("JupyterLab is not in the active environment; `python3 lab.py` makes one with it.")
        name = "active"
    else:
        name, python, folder = prepare(options, progress)
    environ = environments.environ_of(folder)
    if folder is None:
        environ["PYTHONPATH"] = str(ROOT)
    if options.verb:
        return hand_over([python, "-m", "mini_rcnn", options.verb, *options.arguments], environ)
    return open_labs(options, name, python, folder, progress)


def prepare(options, progress):
    """Return ``(name, python, folder)`` of the chosen environment, ready to be used."""
    choice = choosing.choose(options.env, ROOT, progress)
    quick = options.verb is not None and not options.remake and choosing.is_ready(choice.name, ROOT)
    found = [] if quick and not worth_a_look(choice.name) else gpus.find_gpus()
    wants_gpu = gpus.modern_can_use(found, locks.read_toolchain(ROOT / "locks"))
    spec = environments.spec_for(choice.name, ROOT, gpu=wants_gpu)
    note = choosing.gpu_note(choice.name, found)
    progress.say(shorten_home(f"Environment: {choice.name} ({choice.why}).{note}"))
    environments.ensure(
        spec,
        lambda: choice.base or choosing.find_base(choice.name, ROOT, progress),
        progress,
        remake=options.remake,
    )
    return choice.name, environments.python_of(spec.folder), spec.folder


def worth_a_look(name):
    """Return whether a GPU may have come to an environment that does without one; costs next to nothing."""
    spec = environments.spec_for(name, ROOT)
    has_driver = any(Path(path).exists() for path in ("/proc/driver/nvidia/version", "/dev/nvidia0", gpus.WSL_SMI))
    return name == "modern" and spec.flavour == "cpu" and has_driver


def open_labs(options, name, python, folder, progress):
    """Serve JupyterLab on the first notebook and return the exit code once it was stopped."""
    kernels = {"python3": serve.kernel_spec(python, folder, serve.TITLES[name], ROOT)}
    serving = folder
    if name == "classic":
        serving = modern_to_serve(progress) or folder
    if serving not in (folder, None):
        other = environments.python_of(serving)
        kernels["mini-rcnn-modern"] = serve.kernel_spec(other, serving, serve.TITLES["modern"], ROOT)
        python = other
    elif name == "modern" and choosing.is_ready("classic", ROOT):
        classic = ROOT / ".venv" / "classic"
        kernels["mini-rcnn-classic"] = serve.kernel_spec(
            environments.python_of(classic), classic, serve.TITLES["classic"], ROOT
        )
    if options.listen != serve.LOOPBACK:
        progress.say(serve.listen_warning(options.listen))
    environ = environments.environ_of(serving)
    if serving is None:
        environ["PYTHONPATH"] = str(ROOT)
    server = serve.Server(python, ROOT, kernels, name=name, environ=environ, address=options.listen, port=options.port)
    return serve.serve(server, ROOT, progress.say, with_browser=not options.no_browser)


def modern_to_serve(progress):
    """Return the folder of the modern environment, to serve a current JupyterLab to classic; None where it cannot be.

    Classic's Python 3.7 ends at a JupyterLab that gets no more security updates.
    """
    spec = environments.spec_for("modern", ROOT)
    try:
        if environments.inspect(spec).kind != environments.READY:
            base = choosing.find_base("modern", ROOT, progress)
            progress.say("The current JupyterLab needs the modern environment as well; notebooks still run in classic.")
            environments.ensure(spec, lambda: base, progress)
    except LabError as error:
        progress.say(shorten_home(f"JupyterLab 3.6 of the classic environment serves the lab: {error}"))
        return None
    return spec.folder


def hand_over(command, environ):
    """Run a command in the place of this one and return its exit code."""
    command = [str(part) for part in command]
    if os.name != "nt":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], command, environ)
    child = subprocess.Popen(command, env=environ)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # Ctrl-C reached the child as well: it decides
            time.sleep(0.1)


def doctor(arguments):
    """Print what the doctor finds and return 0 where the lab can be used, else 1."""
    from mini_rcnn.launch import facts, findings, report

    parser = argparse.ArgumentParser(
        prog="lab.py doctor",
        description="Say what the lab wants, what is here, what is wrong and what to type.",
        epilog=DOCTOR_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print facts and findings as JSON")
    options = parser.parse_args(arguments)
    known = facts.gather(ROOT)
    found = findings.diagnose(known)
    print(report.as_json(known, found) if options.json else report.as_text(known, found))
    return findings.exit_code(found)
