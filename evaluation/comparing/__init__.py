"""Detectors side by side over many series."""
