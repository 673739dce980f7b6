"""What self-tests tell of a detector on rows that are all there."""
