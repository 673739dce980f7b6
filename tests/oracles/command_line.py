"""The command line within a test's own process."""

from typer.testing import CliRunner

from tocsin.cli import app


def say(*arguments: str) -> str:
    """What a command that must succeed prints."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
