"""``python -m fluvial``: the command line."""

import sys

from fluvial.interfaces.cli import main

sys.exit(main())
