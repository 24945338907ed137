"""The command of this folder; see :mod:`benchmarks.discrete.made`."""

from benchmarks.discrete.made import main

if __name__ == "__main__":
    main()
