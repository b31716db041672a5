"""Modeling files that somebody has mangled, or made to do harm: what may reading them lead to?

`originals` are the files that are mangled, `grammar`, `noise` and `harmless` are the ways, `spans` is what they
share; `trials` drives a mutant from the file to everything that is rendered of it, and `judging` says what is wrong.
"""
