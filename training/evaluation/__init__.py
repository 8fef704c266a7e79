"""What a model is worth: its figures, its card, its thresholds."""
