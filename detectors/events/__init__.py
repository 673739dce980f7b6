"""Detectors of categorical events and of whole batches."""
