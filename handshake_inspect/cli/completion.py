"""`hsi completion`: what a shell runs to complete commands, options and their values."""

import click
from click.shell_completion import get_completion_class

from handshake_inspect.cli.manual import Documented

SHELLS = ("bash", "zsh", "fish")

EPILOG = """\b
Examples:
  hsi completion bash > ~/.local/share/bash-completion/completions/hsi
  hsi completion zsh > "${fpath[1]}/_hsi"
  hsi completion fish > ~/.config/fish/completions/hsi.fish
"""


@click.command(cls=Documented, epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of a shell: bash, zsh or fish."""
    from handshake_inspect.cli.root import hsi  # noqa: PLC0415 - it is what imports this

    complete = get_completion_class(shell)
    assert complete is not None  # noqa: S101 - the shells are click's
    click.echo(complete(hsi, {}, "hsi", "_HSI_COMPLETE").source(), nl=False)
