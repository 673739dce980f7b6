"""Worthless scorers that every comparison holds: what beats nobody must beat these."""
