"""``python -m fluvial``: the command line."""

from fluvial.interfaces.cli import main

main()
