"""Stages and the runner: from rows to incidents. Imports numpy and nothing heavier."""
