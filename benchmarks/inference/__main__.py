"""``python -m benchmarks.inference npe|posteriordb``; see the modules of these names."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["npe"]:
        from benchmarks.inference.npe import main  # needs sbi
    elif sys.argv[1:2] == ["posteriordb"]:
        from benchmarks.inference.posteriordb import main
    else:
        sys.exit("say which: npe, posteriordb")
    main(sys.argv[2:])
