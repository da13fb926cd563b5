"""``python -m wfrpde`` is the same as ``wfrpde``."""

import sys

from wfrpde.commands.cli import main

sys.exit(main())
