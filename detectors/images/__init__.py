"""Scorers over frames of pixels, through the same interface as the rest."""
