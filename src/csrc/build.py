"""Compiles the kernels with the system's C++ compiler into src/fluvial/kernels/_kernels.so.

No build system: five compiler calls. Needs GCC 9, Clang 11 or newer; ``CXX`` names another one. Without a compiler
nothing is built, the install succeeds all the same and fluvial computes with torch alone.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent
LIBRARY = SOURCES.parent / "fluvial" / "kernels" / "_kernels.so"
FLAGS = [
    *["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-pthread"],
    *["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi"],
]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"]


def build(target: Path = LIBRARY, sanitize: bool = False) -> str | None:
    """Write the library to ``target``; None if that went well, else a sentence that says why not."""
    compiler = find_compiler()
    if compiler is None:
        return "no C++ compiler was found (set CXX to name one)"
    flags = [*FLAGS, *(SANITIZE if sanitize else [])]
    with tempfile.TemporaryDirectory() as folder:
        units = {"dispatch": ("dispatch.cpp", [])}
        for name, options in instruction_sets().items():
            defines = [f"-DFLUVIAL_KERNELS=fluvial_{name}", f'-DFLUVIAL_NAME="{name}"']
            units[name] = ("kernels.cpp", [*options, *defines])
        objects = {name: f"{folder}/{name}.o" for name in units}
        commands = [
            [*compiler, *flags, *options, "-c", str(SOURCES / source), "-o", objects[name]]
            for name, (source, options) in units.items()
        ]
        try:
            running = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
            for process in running:
                _, errors = process.communicate()
                if process.returncode:
                    return f"{compiler[0]} failed: {errors.strip()[:500] or f'exit status {process.returncode}'}"
            link = [*compiler, *flags, "-shared", *objects.values(), "-o", f"{folder}/{target.name}"]
            subprocess.run(link, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"{compiler[0]} failed: {error}"
        shutil.copy(f"{folder}/{target.name}", f"{target}.new")
        os.replace(f"{target}.new", target)  # a process that has the old file loaded keeps it
    return None


def find_compiler() -> list[str] | None:
    """The command of the C++ compiler, or None; on Windows none but ``CXX``.

    GCC there does not align AVX registers on the stack, and what it compiles may crash.
    """
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    if os.name == "nt":
        return None
    return next(([name] for name in ("c++", "g++", "clang++") if shutil.which(name)), None)


def instruction_sets() -> dict[str, list[str]]:
    """Each instruction set that this machine's architecture knows, with the compiler's options for it."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        return {"baseline": [], "avx2": AVX2, "avx512": AVX512}
    return {"baseline": []}


if __name__ == "__main__":
    failure = build(sanitize="--sanitize" in sys.argv[1:])
    sys.exit(failure and f"the kernels were not built: {failure}")
