"""Write the lock files anew from the ``.in`` files beside this script.

Run ``python locks/renew.py`` with `uv <https://docs.astral.sh/uv/>`_ on PATH (``pip install uv``). A lock holds
exact versions and the hash of every file of each, for Linux, Windows and macOS.
Versions that a lock already holds are kept; delete a line (or the file) to let it move on.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = "# Made by locks/renew.py from {sources}: change those, not this.\n"
# imgaug asks for opencv-python, which needs a system OpenGL; classic.in names the headless build of the same.
NOT_WANTED = "opencv-python"
SYSTEMS = {"linux": "x86_64-unknown-linux-gnu", "win32": "x86_64-pc-windows-msvc", "darwin": "x86_64-apple-darwin"}


def compile_lock(sources, *options, keep=None):
    """Return the blocks of a resolved lock, ``{"name==version ; marker": its lines}``."""
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("locks/renew.py needs uv on PATH: pip install uv")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "lock.txt"
        if keep is not None and keep.exists():
            shutil.copy(keep, out)
        command = [uv, "pip", "compile", *(str(HERE / source) for source in sources), "--output-file", str(out)]
        command += [
            "--no-header",
            "--no-annotate",
            "--no-emit-package",
            NOT_WANTED,
            "--generate-hashes",
            "--quiet",
            *options,
        ]
        subprocess.run(command, check=True, cwd=folder)
        return split_blocks(out.read_text(encoding="utf-8"))


def split_blocks(text):
    """Return ``{requirement: lines}`` of a lock's text, its hash lines with the requirement they belong to."""
    blocks = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        blocks[block.splitlines()[0].rstrip("\\ ")] = block
    return blocks


def merge_systems(blocks_by_system):
    """Return one lock from several: what not every system has gets a ``sys_platform`` marker."""
    merged = {}
    everywhere = set.intersection(*map(set, blocks_by_system.values()))
    for system, blocks in blocks_by_system.items():
        for requirement, block in blocks.items():
            if requirement in everywhere:
                merged[requirement] = block
                continue
            systems = [name for name, others in blocks_by_system.items() if requirement in others]
            if system == systems[0]:
                marker = " or ".join(f'sys_platform == "{name}"' for name in systems)
                name = requirement.split(" ;")[0]
                merged[name] = block.replace(requirement, f"{name} ; {marker}", 1)
    return merged


def write_lock(name, blocks, sources):
    """Write a lock file, sorted, in one rename."""
    text = HEADER.format(sources=" and ".join(sources)) + "\n".join(blocks[key] for key in sorted(blocks)) + "\n"
    beside = HERE / (name + ".new")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.replace(HERE / name)
    print(f"{name}: {len(blocks)} packages")


def main():
    """Resolve and write all four lock files."""
    classic = merge_systems(
        {
            name: compile_lock(
                ["classic.in"], "--python-platform", system, "--python-version", "3.7", keep=HERE / "classic.txt"
            )
            for name, system in SYSTEMS.items()
        }
    )
    write_lock("classic.txt", classic, ["classic.in"])

    universal = ["--universal", "--fork-strategy", "fewest", "--python-version", "3.10"]
    cpu = compile_lock(["modern.in", "modern-cpu.in"], *universal, keep=HERE / "modern.txt")
    with tempfile.TemporaryDirectory() as folder:
        same = Path(folder) / "same.txt"
        same.write_text("\n".join(cpu.values()) + "\n", encoding="utf-8")
        gpu = compile_lock(["modern.in", "modern-gpu.in"], *universal, "--constraint", str(same))

    def belongs(requirement, *prefixes):
        return requirement.startswith(prefixes)

    write_lock(
        "modern.txt", {k: v for k, v in cpu.items() if not belongs(k, "tensorflow=", "tensorflow-cpu=")}, ["modern.in"]
    )
    write_lock(
        "modern-cpu.txt",
        {k: v for k, v in cpu.items() if belongs(k, "tensorflow=", "tensorflow-cpu=")},
        ["modern-cpu.in"],
    )
    write_lock(
        "modern-gpu.txt", {k: v for k, v in gpu.items() if belongs(k, "tensorflow=", "nvidia-")}, ["modern-gpu.in"]
    )


if __name__ == "__main__":
    main()
