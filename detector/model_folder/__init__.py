"""What a model folder is: its two descriptions, where it comes from, and what it says of its verdicts."""
