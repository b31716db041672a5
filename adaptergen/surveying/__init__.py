"""Which architectures of a transformers can take which adapters, and if not, why not?

`analysing` looks at one architecture, `workers` at all of them, `table`, `page` and `coverage` tell what was found.
"""
