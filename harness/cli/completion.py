"""The command `harness completion`, and what answers the shell at each TAB."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

VARIABLE = "_HARNESS_COMPLETE"
"""Set by the shell's script when it asks what to offer."""


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell to print the script for.")],
) -> None:
    """Print the script that completes this command in a shell.

    Completes commands, options and choices, and the names of baselines, rules, facts and ports. The
    script asks the installed command at each TAB, so an update needs no new script.

    Bash: `harness completion bash > ~/.local/share/bash-completion/completions/harness`. Zsh:
    `harness completion zsh > _harness` in a folder of `$fpath`. Fish: `harness completion fish >
    ~/.config/fish/completions/harness.fish`. PowerShell: `harness completion powershell >>
    $PROFILE`.

    Example: harness completion bash
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    typer.echo(get_completion_script(prog_name="harness", complete_var=VARIABLE, shell=shell.value))


def answer_shells() -> None:
    """Makes the command answer a shell that asks what to offer.

    Typer does so only for commands with its own options --install-completion, which change the
    user's start-up files.
    """
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()
