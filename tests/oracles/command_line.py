"""The command line within a test's own process."""

import sys

from typer.testing import CliRunner

from tocsin import cli


def say(*arguments: str) -> str:
    """What a command that must succeed prints."""
    done = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def call(*words: str) -> int:
    """The exit code of a command, which prints for itself."""
    before, sys.argv = sys.argv, ["tocsin", *words]
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.argv = before
