"""Transformers' own tests of its models, run over models with adapters."""
