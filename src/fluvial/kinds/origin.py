"""Where a fit comes from, for its record: the command, the data and their fingerprint, the time and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch

from fluvial.data.named import paths_of


@dataclass(frozen=True)
class Origin:
    """Where a fit comes from.

    Args:
        command: for those who want to run it again.
        files: that the data were read from.
        began: ``time.monotonic()`` when the budget began to count; None for the start of ``fit``.
    """

    command: str = ""
    files: tuple[str, ...] = ()
    began: float | None = None


def files_of(data: object) -> tuple[str, ...]:
    """The files that ``data`` names, if it names any."""
    named = data if isinstance(data, list | tuple) else [data]
    paths = [cast("str | os.PathLike[str]", d) for d in named if isinstance(d, str | os.PathLike)]
    if len(paths) < len(cast("Sequence[object]", named)):
        return ()
    return tuple(path for named in paths for path in paths_of(named))


def fingerprint(files: Sequence[str]) -> dict[str, Any]:
    """Name and SHA-256 of data files; of one file it is what ``sha256sum`` prints.

    Of several, or of a folder, it is that of the lines "HASH  NAME", in the order of the names.
    """
    paths = [Path(f) for f in files]
    first = paths[0]
    name = first.name if len(paths) == 1 else f"{len(paths)} files, {first.name} first"
    within = [p for path in paths for p in (sorted(path.rglob("*")) if path.is_dir() else [path]) if p.is_file()]
    if within == [first]:
        return {"name": name, "sha256": _sha256(first)}
    lines = "".join(f"{_sha256(p)}  {p.relative_to(first) if p.is_relative_to(first) else p.name}\n" for p in within)
    return {"name": name, "sha256": hashlib.sha256(lines.encode()).hexdigest(), "files": len(within)}


def circumstances(device: torch.device) -> dict[str, Any]:
    """When and on what machine, as far as results and times depend on it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        },
    }


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # gone since it was read
        return ""


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except (OSError, UnicodeDecodeError):
        found = None
    return found[1] if found else platform.processor()
