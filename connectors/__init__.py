"""Sources and sinks: where rows come from and where incidents go."""
