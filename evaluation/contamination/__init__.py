"""How much of a score's history is anomalous, with an interval, and what that leaves unsure."""
