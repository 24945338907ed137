"""``python -m benchmarks.detect adbench|balance|cells|nab|rates|scores|table``; see the modules of these names."""

import sys

from benchmarks.detect import adbench, balance, cells, nab, rates, scores, table

if __name__ == "__main__":
    parts = {
        "adbench": adbench.main,
        "rates": rates.main,
        "balance": balance.main,
        "cells": cells.main,
        "nab": nab.main,
        "scores": scores.main,
        "table": table.main,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in parts:
        sys.exit(f"say which: {', '.join(parts)}")
    parts[sys.argv[1]](sys.argv[2:])
