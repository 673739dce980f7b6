"""Detectors of other libraries as scorers, and scorers as theirs."""
