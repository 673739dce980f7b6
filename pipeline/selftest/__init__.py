"""Self-tests of a running detector: known faults in a shadow copy, and whether they are found."""
