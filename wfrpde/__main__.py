"""``python -m wfrpde`` is the same as ``wfrpde``."""

import sys

from wfrpde.cli import main

sys.exit(main())
