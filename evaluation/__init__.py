"""What holds scorers to their promises, and what draws the results."""
