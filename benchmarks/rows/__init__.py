"""Rows of the table of figures: each module measures some of them."""
