"""`python -m meshsim`."""

import sys

from meshsim.cli.app import main

sys.exit(main())
