"""The version of this package, as it is written into files."""

VERSION = "0.1.0"
