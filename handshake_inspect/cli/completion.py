"""The command `hsi completion`: print the shell script that completes commands, options and values."""

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

from handshake_inspect.cli.manual import Documented
from handshake_inspect.errors import UsageError

SHELLS = ("bash", "zsh", "fish")

EPILOG = """\b
Examples:
  hsi completion bash > ~/.local/share/bash-completion/completions/hsi
  hsi completion zsh > "${fpath[1]}/_hsi"
  hsi completion fish > ~/.config/fish/completions/hsi.fish
"""


@click.command(cls=Documented, epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the completion script of a shell: bash, zsh or fish.

    Without a name, it is for the shell in $SHELL.
    """
    shell = shell or PurePath(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise UsageError(f"name a shell: hsi completion {'|'.join(SHELLS)}")
    from handshake_inspect.cli.root import hsi  # noqa: PLC0415 - root imports this module

    complete = get_completion_class(shell)
    assert complete is not None  # noqa: S101 - click supports all SHELLS
    click.echo(complete(hsi, {}, "hsi", "_HSI_COMPLETE").source(), nl=False)
