"""What all tests share: `reference` and `strategies` are importable, and Hypothesis draws the same examples each run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
