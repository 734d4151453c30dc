"""`python -m kvnode` is the `kvnode` program."""

import sys

from kvnode.cli import main

if __name__ == "__main__":
    sys.exit(main())
