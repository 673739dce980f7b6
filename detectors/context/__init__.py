"""Detectors that ask how badly a stretch fits what stands around it."""
