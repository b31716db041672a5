"""Generated: one test module per model."""
