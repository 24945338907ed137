"""The command of this folder; see :mod:`benchmarks.speed.ratios`."""

from benchmarks.speed.ratios import main

if __name__ == "__main__":
    main()
