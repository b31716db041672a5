"""What generated test modules promise, subject by subject; `tests_adapters.core.model_suite` puts it together."""
