"""Training from scratch on good parts: synthetic anomalies, losses, checkpoints, the loop."""
