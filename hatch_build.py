"""Build hook: puts the compiled kernels into the wheel, or a pure wheel where they cannot be compiled."""

from __future__ import annotations

import importlib.util
import platform
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileKernels(BuildHookInterface):  # pyright: ignore
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        spec = importlib.util.spec_from_file_location("build_kernels", Path(self.root) / "src" / "csrc" / "build.py")
        build_kernels = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(build_kernels)
        build_kernels.LIBRARY.unlink(missing_ok=True)
        failure = build_kernels.build()
        if failure:
            self.app.display_warning(f"fluvial computes without compiled kernels: {failure}")
        elif version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_platform()}"
            build_data["artifacts"].append(str(build_kernels.LIBRARY.relative_to(self.root)))


def _platform() -> str:
    """This machine's wheel tag; the library has nothing of Python in it, so only the platform counts."""
    if platform.system() == "Darwin":
        return f"macosx_11_0_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
