"""What each command does; `tocsin.cli` reads the arguments and calls these."""
