"""Why TensorFlow sees no GPU, and what to type."""

from __future__ import annotations

from mini_rcnn.launch.judging import NOTE, OK, WARNING, Finding, numbers
from mini_rcnn.launch.library_findings import cuda_libraries

ON_A_CPU = "Every lab and test runs on the CPU; only training on the full data is slow there."
MODERN = ("python3 lab.py --env modern",)


def gpu_findings(facts):
    """Return findings about the GPU: first what holds for the machine, else per environment."""
    if facts["gpu"] is None or facts["machine"] is None or facts["wanted"] is None:
        return []
    working = [name for name in ("classic", "modern") if sees_gpu(facts, name)]
    found = [works(facts, name) for name in working]
    rest = [name for name in ("classic", "modern") if name not in working and is_of_use(facts, name)]
    machine_wide = [] if working else without_usable_driver(facts)
    if machine_wide:
        return found + machine_wide
    return found + [finding for name in rest for finding in first_obstacle(facts, name)]


def tensorflow_of(facts, name):
    """Return what TensorFlow said in an environment, {} where it was not asked."""
    return (facts["environments"].get(name) or {}).get("tensorflow") or {}


def sees_gpu(facts, name):
    """Return whether TensorFlow sees a GPU in an environment."""
    return bool(tensorflow_of(facts, name).get("gpus"))


def is_of_use(facts, name):
    """Return whether an environment is there or can be made."""
    environment = facts["environments"].get(name) or {}
    base = (facts["pythons"] or {}).get(name) or {}
    return environment.get("state", "absent") != "absent" or bool(base.get("executable"))


def works(facts, name):
    """Return the good news."""
    names = ", ".join(gpu["name"] for gpu in facts["gpu"]["gpus"]) or "a GPU"
    return Finding("gpu-works", OK, name, f"TensorFlow sees {names} in {name}.", "Training uses it.", ())


def without_usable_driver(facts):
    """Return the finding where there is no GPU or no working driver, whatever the environment; else []."""
    gpu, machine = facts["gpu"], facts["machine"]
    hidden = (facts["launcher"] or {}).get("cuda_visible_devices")
    if machine["system"] == "Darwin":
        text = "macOS: TensorFlow's own builds use no GPU here."
        return [Finding("macos", NOTE, None, text, ON_A_CPU, ())]
    if gpu["driver_error"]:
        return [
            Finding(
                "driver-broken",
                WARNING,
                None,
                f"NVIDIA's driver is installed but does not answer: {gpu['driver_error']}",
                "Usual after an update of the driver or of the kernel. Until then the CPU is used.",
                ("restart the computer", "nvidia-smi", "if it still fails, install the driver again"),
            )
        ]
    if not gpu["gpus"] and machine["wsl"]:
        return [
            Finding(
                "wsl-no-driver",
                NOTE,
                None,
                "WSL without a GPU: no NVIDIA driver reaches into it.",
                "With an NVIDIA card, install its driver in Windows, not in WSL. " + ON_A_CPU,
                ("in Windows: wsl --update", "in Windows: wsl --shutdown", "in WSL: nvidia-smi"),
            )
        ]
    if not gpu["gpus"] and gpu["card_on_bus"]:
        return [
            Finding(
                "driver-missing",
                WARNING,
                None,
                "There is an NVIDIA card and no NVIDIA driver for it.",
                "Without the driver nothing can use the card. " + ON_A_CPU,
                driver_steps(machine["system"]) + ("nvidia-smi",),
            )
        ]
    if not gpu["gpus"]:
        return [Finding("no-gpu", NOTE, None, "No NVIDIA GPU on this machine: fine.", ON_A_CPU, ())]
    if hidden is not None and hidden.strip() in ("", "-1"):
        return [
            Finding(
                "gpu-hidden",
                WARNING,
                None,
                f"CUDA_VISIBLE_DEVICES is {hidden!r}, which hides every GPU.",
                "TensorFlow is told to use the CPU.",
                ("unset CUDA_VISIBLE_DEVICES (PowerShell: Remove-Item Env:CUDA_VISIBLE_DEVICES)",),
            )
        ]
    return []


def driver_steps(system):
    """Return how to install NVIDIA's driver."""
    if system == "Linux":
        return ("on Ubuntu: sudo ubuntu-drivers install; elsewhere https://www.nvidia.com/drivers", "restart")
    return ("install the driver from https://www.nvidia.com/drivers", "restart")


def first_obstacle(facts, name):
    """Return the first thing that keeps TensorFlow from the GPU in one environment."""
    rules = [windows_modern, card_generation, driver_age]
    rules += [cuda_libraries] if name == "classic" else [cpu_build]
    for rule in [*rules, unexplained]:
        found = rule(facts, name)
        if found:
            return found
    return []


def windows_modern(facts, name):
    """Return the finding for TensorFlow 2.11 and later on Windows itself."""
    if facts["machine"]["system"] != "Windows" or name != "modern":
        return []
    return [
        Finding(
            "windows-modern-cpu",
            NOTE,
            name,
            "TensorFlow from 2.11 on has no GPU support on Windows itself.",
            "Modern uses the CPU here. WSL2 (a Linux inside Windows) can use the GPU; classic can up to Turing.",
            ("wsl --install", "then, in WSL: python3 lab.py --env modern"),
        )
    ]


def card_generation(facts, name):
    """Return the finding for a card that is too new or too old."""
    oldest, newest = facts["wanted"][name]["compute_capability"]
    version = facts["wanted"][name]["tensorflow"]
    cards = facts["gpu"]["gpus"]
    known = [card for card in cards if card["compute_capability"] is not None]
    if not known:
        return []
    best = max(known, key=lambda card: card["compute_capability"])
    said = f"{best['name']} (compute capability {best['compute_capability']})"
    if newest is not None and min(card["compute_capability"] for card in known) > newest:
        return [
            Finding(
                "gpu-too-new",
                WARNING,
                name,
                f"{said} is newer than Turing ({newest}), the last that TensorFlow {version} knows.",
                "Classic uses the CPU here, or hangs for minutes when it tries the card. Modern uses the card.",
                MODERN,
            )
        ]
    if best["compute_capability"] < oldest:
        return [
            Finding(
                "gpu-too-old",
                WARNING,
                name,
                f"{said} is older than TensorFlow {version} has code for ({oldest}).",
                f"{name.capitalize()} uses the CPU.",
                ("python3 lab.py --env classic",) if name == "modern" else (),
            )
        ]
    return []


def driver_age(facts, name):
    """Return the finding for a driver older than the environment's CUDA needs."""
    machine = facts["machine"]
    needs = facts["wanted"][name]["driver"]
    least = needs.get("WSL" if machine["wsl"] and "WSL" in needs else machine["system"])
    driver = facts["gpu"]["driver"]
    if not least or not driver or numbers(driver) >= numbers(least):
        return []
    return [
        Finding(
            "driver-old",
            WARNING,
            name,
            f"NVIDIA's driver is {driver}; CUDA {facts['wanted'][name]['cuda']} needs {least} or newer.",
            f"TensorFlow in {name} cannot use the GPU with it.",
            driver_steps(machine["system"]),
        )
    ]


def cpu_build(facts, name):
    """Return the finding for a modern environment without CUDA on a machine with a GPU."""
    environment = facts["environments"].get(name) or {}
    if environment.get("state") in (None, "absent") or environment.get("flavour") == "gpu":
        return []
    return [
        Finding(
            "cpu-build",
            WARNING,
            name,
            "The modern environment holds TensorFlow without CUDA, and there is a GPU.",
            "The next run with `--env modern` takes the one with CUDA in its place.",
            MODERN,
        )
    ]


def unexplained(facts, name):
    """Return the finding for a TensorFlow that sees no GPU although all seems right."""
    answer = tensorflow_of(facts, name)
    if not answer or answer.get("error"):
        return []
    return [
        Finding(
            "gpu-unseen",
            WARNING,
            name,
            f"All that TensorFlow in {name} needs seems to be there, and it sees no GPU.",
            "Its own messages say which file it could not load.",
            (f'{name}\'s Python: -c "import tensorflow as tf; tf.test.is_gpu_available()"',),
        )
    ]
