"""Detectors that look at the signature of a window's path."""
