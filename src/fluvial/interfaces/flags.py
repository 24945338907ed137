"""Flags that are about some kinds of data alone: made from what each kind says that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union

from cyclopts import Parameter

from fluvial.interfaces.whole import Whole
from fluvial.kinds.every import KINDS, only
from fluvial.kinds.kind import File, Kind, Option

Flag = Annotated[bool, Parameter(negative=())]
Each = Annotated[list[str] | None, Parameter(negative=())]
_TYPES: dict[Any, Any] = {bool: Flag, int: Whole, list[str]: Each, File: str}


def with_options(verb: str, command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that takes the options of ``verb``, "fit" for one, of every kind of data as flags.

    They reach it as ``options``: what was typed, by the name of the argument.
    """
    named = {name: word for name, word, _ in _options(verb)}

    def run(*arguments: Any, **flags: Any) -> Any:  # noqa: ANN401
        typed = {name: flags.pop(_identifier(word)) for name, word in named.items() if _identifier(word) in flags}
        given = {
            name: value for name, value in typed.items() if value is not None and value is not False and value != []
        }
        return command(*arguments, options=given, **flags)

    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "options"]
    made = [_parameter(word, options) for _, word, options in _options(verb)]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature.replace(parameters=[*own, *made])  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *made)}
    return run


def parsed(kind: Kind, verb: str, typed: Mapping[str, Any], dashes: str = "") -> dict[str, Any]:
    """What was typed as arguments for a kind of data; UsageError, a sentence, where they are about another."""
    only(kind, verb, typed, dashes)
    takes = kind.takes(verb)
    return {name: takes[name].parse(value) for name, value in typed.items()}


def streams(verb: str, typed: Mapping[str, Any]) -> list[str]:
    """The names of the options given that are files of data, which may come through standard input."""
    return [name for name, _, options in _options(verb) if name in typed and options[0][1].of is File]


def _options(verb: str) -> list[tuple[str, str, list[tuple[Kind, Option]]]]:
    """Of all kinds, one of a name: the name, the word that is typed, and the kinds that take it."""
    found: dict[str, list[tuple[Kind, Option]]] = {}
    for kind in reversed(KINDS):
        for name, option in kind.takes(verb).items():
            found.setdefault(name, []).append((kind, option))
    return [(name, options[0][1].word, options) for name, options in found.items()]


def _parameter(word: str, options: list[tuple[Kind, Option]]) -> inspect.Parameter:
    of = options[0][1].of
    helps: dict[str, list[str]] = {}
    for kind, option in options:
        helps.setdefault(option.help, []).append(kind.name)
    text = " ".join(f"For {_and(kinds)}: {sentence}" for sentence, kinds in helps.items())
    return inspect.Parameter(
        _identifier(word),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if of is bool else None,
        annotation=Annotated[_typed(of), Parameter(name=f"--{word}", help=text)],
    )


def _typed(of: Any) -> Any:  # noqa: ANN401
    found = _TYPES.get(of, of)
    return found if of is bool else Union[found, None]  # noqa: UP007  (of a type that is known when it runs)


def _identifier(word: str) -> str:
    return word.replace("-", "_")


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
