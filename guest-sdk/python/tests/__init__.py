"""Tests of what is plain Python: `python3 -m unittest` in guest-sdk/python."""

import sys
from pathlib import Path

# They run without an installation.
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))
