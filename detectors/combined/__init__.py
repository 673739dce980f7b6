"""Detectors made of detectors."""
