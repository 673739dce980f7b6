"""Classical detectors that are trained on clean windows."""
