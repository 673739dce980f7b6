"""Alarm levels that learn, and how sure, how costly and how false the alarms of a level are."""
