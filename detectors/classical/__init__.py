"""Streaming statistics that any better detector must beat."""
