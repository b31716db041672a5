"""What all examples share: arguments, data sets and models by name, the run itself, and scores."""
