"""Behind `tocsin backtest`: many detectors over many labelled series, and what came of it."""
