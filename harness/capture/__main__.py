"""`python -m harness.capture`, which `harness locate record|replay|ablate` starts."""

import sys

from harness.capture.command import main

if __name__ == "__main__":
    sys.exit(main())
