"""Detectors that learn to rebuild or forecast clean rows, or to tell them from degraded ones."""
