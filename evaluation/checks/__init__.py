"""The checks of the conformance suite, grouped by what they hold a component to."""
