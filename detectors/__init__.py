"""Scorers: what turns a window into a raw anomaly score, one idea a file."""
