"""What does it cost? Ratios that are measured in turns, in one run: ours against upstream's own, and against peers."""
