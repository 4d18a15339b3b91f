"""Shell completion for bash, zsh and fish, made from the table of commands when the packages are built."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bitfusion_client.catalogue import ROWS, Row
from bitfusion_client.reference import command_of


def scripts() -> dict[str, str]:
    """File names and texts: what each shell looks for."""
    words = {row.name: tuple(_words(row)) for row in ROWS}
    return {"bitfusion": _bash(words), "_bitfusion": _zsh(words), "bitfusion.fish": _fish(words)}


def _words(row: Row) -> Iterator[str]:
    """What may follow a command: its own commands and its options."""
    command = command_of(row)
    if isinstance(command, click.Group):
        yield from command.commands
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts
    yield "--help"


def _names(row: Row) -> list[str]:
    return [row.name, row.alias] if row.alias else [row.name]


def _cases(words: dict[str, tuple[str, ...]]) -> str:
    return "\n".join(f"        {' | '.join(_names(row))}) words='{' '.join(words[row.name])}' ;;" for row in ROWS)


def _bash(words: dict[str, tuple[str, ...]]) -> str:
    launching = " | ".join(name for row in ROWS if row.launches for name in _names(row))
    return f"""# bash completion for bitfusion; made from its table of commands
_bitfusion() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} words='' index
    COMPREPLY=()
    case ${{COMP_WORDS[1]}} in
    {launching})
        # Behind "--" stands the application's own command line.
        for ((index = 2; index < COMP_CWORD; index++)); do
            if [[ ${{COMP_WORDS[index]}} == -- ]]; then
                declare -F _command_offset >/dev/null && _command_offset $((index + 1))
                return
            fi
        done
        ;;
    esac
    case $previous in
    -s | --servers | -f | --file)
        COMPREPLY=($(compgen -f -- "$current"))
        return
        ;;
    esac
    if ((COMP_CWORD == 1)); then
        words='{" ".join(name for row in ROWS for name in _names(row))} --version --help'
    else
        case ${{COMP_WORDS[1]}} in
{_cases(words)}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _bitfusion bitfusion
"""


def _zsh(words: dict[str, tuple[str, ...]]) -> str:
    described = "\n".join(f"        '{row.name}:{_quoted(row.summary)}'" for row in ROWS)
    return f"""#compdef bitfusion
# zsh completion for bitfusion; made from its table of commands
_bitfusion() {{
    local -a commands
    local words_of=''
    commands=(
{described}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    local -i index=${{words[(I)--]}}
    if ((index > 0 && index < CURRENT)); then
        words=("${{(@)words[index + 1,-1]}}")
        ((CURRENT -= index))
        _normal
        return
    fi
    case ${{words[2]}} in
{_cases(words).replace("words=", "words_of=")}
    esac
    compadd -- ${{=words_of}}
    _files
}}
_bitfusion "$@"
"""


def _fish(words: dict[str, tuple[str, ...]]) -> str:
    lines = ["# fish completion for bitfusion; made from its table of commands", "complete -c bitfusion -f"]
    for row in ROWS:
        lines.append(f"complete -c bitfusion -n __fish_use_subcommand -a {row.name} -d '{_quoted(row.summary)}'")
        seen = f"-n '__fish_seen_subcommand_from {' '.join(_names(row))}'"
        lines += [f"complete -c bitfusion {seen} {_fish_word(word)}" for word in words[row.name]]
    return "\n".join(lines) + "\n"


def _fish_word(word: str) -> str:
    if word.startswith("--"):
        return f"-l {word[2:]}"
    return f"-s {word[1:]}" if word.startswith("-") else f"-a {word}"


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''").replace(":", "\\:") if ":" in text else text.replace("'", "'\\''")
