"""Commands that print figures: of speed, as ratios within one run, and of what a choice would change."""
