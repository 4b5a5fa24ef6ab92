"""`python -m measurements.zoo NAME FILE`: write a built-in network, then give the memory back."""

import sys
from pathlib import Path

from measurements.zoo import write

write(sys.argv[1], Path(sys.argv[2]))
