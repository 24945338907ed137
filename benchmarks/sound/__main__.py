"""The command of this folder; see :mod:`benchmarks.sound.wavenet`."""

from benchmarks.sound.wavenet import main

if __name__ == "__main__":
    main()
