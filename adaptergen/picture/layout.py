"""Where things stand in an SVG picture, and how large they are."""

from __future__ import annotations


WIDTH = 920
MARGIN = 40
RIGHT = WIDTH - MARGIN
STREAM = MARGIN + 46  # where the stream is
BRANCH = STREAM + 54  # where what stands beside it begins
INSIDE = 18  # between a box and what is in it
ROOM = RIGHT - INSIDE - BRANCH  # for a box beside the stream
STEP = 24  # between things below each other
NODE = 9  # radius of an addition
TITLE, TEXT, SMALL = 17, 13.5, 12.5  # sizes of letters
