"""Commands that print figures of speed, as ratios within one run."""
