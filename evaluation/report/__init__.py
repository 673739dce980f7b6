"""The report of a backtest, one page."""
