"""Which releases of transformers does this package run on? What imports it fails at once on those that are too old."""

from __future__ import annotations

import transformers
from packaging.version import Version


OLDEST, TOO_NEW = Version("5.4"), Version("5.24")

if Version(transformers.__version__) < OLDEST:
    raise ImportError(
        f"transformers {transformers.__version__} is installed, which is too old for adapters: "
        f"run `pip install 'transformers>={OLDEST},<{TOO_NEW}'`"
    )
