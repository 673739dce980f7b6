"""What the HTML pages share, and the page of one run."""
