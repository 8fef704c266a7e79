"""Pictures changed for training and measuring: corruptions, and forgeries made from real photographs."""
