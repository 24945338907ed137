"""The command of this folder; see :mod:`benchmarks.images.likelihood`."""

from benchmarks.images.likelihood import main

if __name__ == "__main__":
    main()
