"""Detectors that forecast each row from the rows before it and judge what the forecast missed."""
