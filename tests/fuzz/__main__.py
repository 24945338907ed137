"""``python -m fuzz CASES [FAMILY] [FIRST]``: hostile cases by the thousand, each in a process of its own."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module

from fuzz.harness import apart

FAMILIES = ("readers", "runs")
_OFTEN = 500  # cases between two signs of life, from which the next start can go on


def main(cases: int, family: str | None = None, first: int = 0) -> int:
    """How many cases ended wrongly; each is printed with the seed that makes it again."""
    wrong: Counter[str] = Counter()
    for name in [family] if family else FAMILIES:
        tried = import_module(f"fuzz.{name}")
        tried.warm()  # here, once: what a case imports for itself, each case would import again
        for seed in range(first, first + cases):
            said = apart(tried.case, seed)
            if said is not None:
                wrong[name] += 1
                print(f"{name}, seed {seed}: {said.strip()}\n", flush=True)
            if (seed + 1) % _OFTEN == 0:
                print(f"{name}: seeds {first} to {seed} tried", flush=True)
        print(f"{name}: {wrong[name]} of {cases:,} cases ended wrongly", flush=True)
    return wrong.total()


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))))
