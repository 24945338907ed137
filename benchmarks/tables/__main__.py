"""The command of this folder; see :mod:`benchmarks.tables.fidelity`."""

from benchmarks.tables.fidelity import main

if __name__ == "__main__":
    main()
