"""Builds the source archive, and the wheel from it, and uses the wheel as a stranger would: ``make wheel``.

Both are left in ``dist/``. The wheel goes into a new environment, without extras and beside the torch of
``constraints.txt``; there the program must tell about itself, fit a table and score it, with the compiled kernels
wherever a compiler was there to make them.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
CHECK = """
from importlib import metadata, resources
import fluvial
from fluvial.kernels import native

assert metadata.version("fluvial") == fluvial.__version__, metadata.version("fluvial")
assert resources.files("fluvial").joinpath("py.typed").is_file(), "py.typed is not in the wheel"
page = resources.files("fluvial").joinpath("interfaces/server/static")
assert {"index.html", "page.css", "page.js"} <= {file.name for file in page.iterdir()}, "the page is not in the wheel"
assert len(fluvial.load("run").sample(3)["Rings"]) == 3
print("kernels:", native.status())
"""
TABLE = ["--epochs", "1", "--out", "run"]


def run(*command: object, cwd: Path = ROOT) -> str:
    """What a command prints; it is shown, too, and has to succeed."""
    words = [str(word) for word in command]
    print("$", *(word if "\n" not in word else "..." for word in words), flush=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=clean, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(f"this ended with exit status {done.returncode}: {' '.join(words[:4])}")
    return done.stdout


def build(python: Path) -> Path:
    """The wheel, made from the source archive that is made first."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(python, "-m", "pip", "install", "-q", "build")
    run(python, "-m", "build", "--outdir", DIST, ROOT)
    (wheel,) = DIST.glob("*.whl")
    compiler = runpy.run_path(str(ROOT / "src" / "csrc" / "build.py"))["find_compiler"]()
    if compiler and wheel.stem.endswith("-any"):
        sys.exit(f"{wheel.name} has no compiled kernels although there is a compiler: {' '.join(compiler)}")
    return wheel


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        python = programs / "python"
        run(python, "-m", "pip", "install", "-q", "-r", ROOT / "constraints.txt")
        wheel = build(python)
        run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
        run(programs / "fluvial", "info", cwd=folder)
        run(programs / "fluvial", "fit", *TABLE, cwd=folder)
        status = run(python, "-c", CHECK, cwd=folder)
        if not wheel.stem.endswith("-any") and "C++" not in status:
            sys.exit(f"the compiled kernels of {wheel.name} do not load")
        run(python, "-m", "pip", "check")
    print(f"{wheel.name} and its source archive are in dist/ and work.")


if __name__ == "__main__":
    main()
