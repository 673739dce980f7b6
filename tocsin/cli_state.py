"""`tocsin state` on the command line, and the options that it shares with the other commands."""

from pathlib import Path
from typing import Annotated

import typer

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration (YAML).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

state_app = typer.Typer(
    help="Look at and change what a stopped pipeline knows.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@state_app.command(name="ls")
def state_ls(config: ConfigPath, as_json: Json = False) -> None:  # noqa: FBT002 - an option
    """Show the partitions, the open incidents and how many dead letters there are."""
    from tocsin.commands import states  # noqa: PLC0415 - keeps --help light

    states.show(config, as_json=as_json)


@state_app.command(name="letters")
def state_letters(config: ConfigPath, as_json: Json = False) -> None:  # noqa: FBT002 - an option
    """Show the dead letters: how many of each reason, and the newest."""
    from tocsin.commands import letters  # noqa: PLC0415 - keeps --help light

    letters.show(config, as_json=as_json)


@state_app.command(name="export")
def state_export(
    config: ConfigPath, file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")]
) -> None:
    """Copy the state into one file."""
    from tocsin.commands import states  # noqa: PLC0415 - keeps --help light

    states.export(config, file)


@state_app.command(name="import")
def state_import(
    config: ConfigPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `export` made.")],
    force: Annotated[bool, typer.Option("--force", help="Replace state that is there.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Take exported state over, if it fits the configuration."""
    from tocsin.commands import states  # noqa: PLC0415 - keeps --help light

    states.take_over(config, file, force=force)


@state_app.command(name="reset")
def state_reset(
    config: ConfigPath,
    part: Annotated[str | None, typer.Option(help="One partition; all unless given.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Forget what was learned and where reading stood; incidents stay."""
    from tocsin.commands import states  # noqa: PLC0415 - keeps --help light

    states.reset(config, part, sure=yes)


@state_app.command(name="accept")
def state_accept(
    config: ConfigPath, series: Annotated[str, typer.Argument(metavar="SERIES", help="Its name.")]
) -> None:
    """Say that what a firing series shows is the new normal, to be learned from now on."""
    from tocsin.commands import states  # noqa: PLC0415 - keeps --help light

    states.accept_series(config, series)
