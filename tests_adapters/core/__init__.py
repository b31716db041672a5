"""What the runtime promises, on tiny random models."""
