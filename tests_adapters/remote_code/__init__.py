"""Modeling files that are not part of transformers, written as repositories of the Hub have theirs."""
