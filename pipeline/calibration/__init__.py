"""Calibrators beside `Conformal`, one a file, and what is said about their tails."""
