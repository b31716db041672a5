"""Adapters for Hugging Face models, generated from their own modeling files."""
