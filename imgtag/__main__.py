"""python -m imgtag: the command line."""

import sys

from imgtag.cli import main

sys.exit(main())
