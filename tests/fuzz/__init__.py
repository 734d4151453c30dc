"""Random and coverage-guided inputs.

KVNODE_BUILD=compiled takes the installed package, which the source tree in the working folder would
hide otherwise. The tree stays on the path, last: processes that tests start find the tests by it.
"""

import os
import sys
from pathlib import Path

if os.environ.get("KVNODE_BUILD") == "compiled":
    _ROOT = Path(__file__).resolve().parents[2]
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != _ROOT] + [str(_ROOT)]
