"""What is told to people instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from generated.core.errors import AdapterError


class ExampleError(Exception):
    """Something that the person who started a script can mend; the message says what, and how."""


@contextmanager
def told(left: str = "no adapter was written") -> Iterator[None]:
    """
    Print what is wrong, and end with 1; with 130 when the script is interrupted.

    Args:
        left: what an interrupted script leaves behind.

    What is neither about the arguments nor about adapters is a defect of the script, and keeps its traceback.
    """
    try:
        yield
    except (ExampleError, AdapterError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"stopped; {left}", file=sys.stderr)
        sys.exit(130)
