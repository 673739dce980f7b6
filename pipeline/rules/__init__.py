"""Rules between the alarm and the incident: which alarms people want to hear of, and when."""
