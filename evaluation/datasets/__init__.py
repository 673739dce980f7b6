"""Labelled data: one type for all, readers of the published formats, and a generator."""
