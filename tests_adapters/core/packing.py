"""A folder as an archive."""

import tarfile
import zipfile
from pathlib import Path


def zipped(folder: Path, target: Path, below: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{below}{path.name}")
    return target


def tarred(folder: Path, target: Path, below: str = "") -> Path:
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, f"{below}{path.name}")
    return target
