"""The version of this package, as it is written into files; that of the distribution is read from here."""

VERSION = "0.1.0"
