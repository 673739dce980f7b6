"""Detectors that compare the shape of short stretches with those of the clean past."""
