"""What `--tiny` makes: small data in the formats of well-known data sets, and small models that are pretrained on it.

Data are written with seeds, so that they are the same everywhere. No example of one split is in another one.
"""
