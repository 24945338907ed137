"""Where random numbers come from. Every draw in fluvial is made here.

Inside ``drawing_from(seed)`` draws come from generators of that block's own, one for each device. Nothing global
moves, so threads do not disturb each other: a thread sees only the blocks that it has opened itself. Outside of any
block draws come from torch's default generators, as they were seeded there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from inspect import isfunction, signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from fluvial.core.errors import UsageError

_LARGEST = 2**63 - 1

Shape = Sequence[int]


def checked_seed(seed: object) -> int:
    """The seed as an int; UsageError, a sentence, unless it is a whole number from 0 to 2^63 - 1."""
    try:
        value = -1 if isinstance(seed, bool) else operator.index(seed)  # pyright: ignore[reportArgumentType]
    except TypeError:
        value = -1
    if not 0 <= value <= _LARGEST:
        raise UsageError(f"seed: expected a whole number from 0 to {_LARGEST} (2^63 - 1), got {seed!r}")
    return value


class Source:
    """Generators of one seed, one for each device, made when it is first asked for.

    Args:
        seed: a whole number from 0 to 2^63 - 1.

    Raises:
        UsageError: it is none.
    """

    def __init__(self, seed: int) -> None:
        self._seed = checked_seed(seed)
        self._generators: dict[torch.device, torch.Generator] = {}

    @classmethod
    def of(cls, generator: torch.Generator) -> Source:
        """Draws from ``generator`` on its device, and on others from what its seed gives there."""
        source = cls(generator.initial_seed() % (_LARGEST + 1))
        source._generators[_indexed(generator.device)] = generator
        return source

    @classmethod
    def now(cls, device: torch.device) -> Source:
        """What the next draws on ``device`` and on the CPU will be, for drawing the same once more."""
        source = cls(0)
        for each in {torch.device("cpu"), _indexed(device)}:
            source._generators[each] = _copied(generator(each) or _default(each), each)
        return source

    def generator(self, device: torch.device) -> torch.Generator:
        """The one of this device."""
        device = _indexed(device)
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]

    def copy(self) -> Source:
        """Another source that gives what this one will give."""
        source = Source(self._seed)
        source._generators = {device: _copied(g, device) for device, g in self._generators.items()}
        return source

    def restart(self, seed: int) -> None:
        """Go on as a source of this seed would; the generators stay the same objects, as recorded steps need."""
        self._seed = checked_seed(seed)
        for each in self._generators.values():
            each.manual_seed(seed)


_CURRENT: ContextVar[Source | None] = ContextVar("fluvial_draws", default=None)


@contextmanager
def drawing_from(source: int | torch.Generator | Source | None, lend: bool = False) -> Generator[None]:
    """Inside, every draw of fluvial in this thread comes from ``source``; None changes nothing.

    Args:
        source: a seed, a generator, or a :class:`Source`.
        lend: lend the generator to calls of torch itself too, such as ``torch.randn`` in somebody's own density, and
            the dropout and the initial weights of torch's layers. That costs a little at each call of torch.

    >>> from fluvial.core import Normal
    >>> with drawing_from(0):
    ...     first = Normal((2,)).sample(3)
    >>> with drawing_from(0):
    ...     print(bool((Normal((2,)).sample(3) == first).all()))
    True
    """
    if source is None:
        yield
        return
    if isinstance(source, torch.Generator):
        source = Source.of(source)
    token = _CURRENT.set(source if isinstance(source, Source) else Source(source))
    try:
        with _Lending() if lend else nullcontext():
            yield
    finally:
        _CURRENT.reset(token)


def draws_by_itself(module: nn.Module) -> bool:
    """Whether a part of it may call torch's own random functions, which then have to be lent a generator."""
    return any(
        isinstance(m, nn.modules.dropout._DropoutNd)  # pyright: ignore[reportPrivateUsage]
        or not type(m).__module__.startswith(("fluvial.", "torch.nn.", "torch.ao."))
        for m in module.modules()
    )


def shifted(seed: int, by: int) -> int:
    """Another seed, the same for the same numbers."""
    return (checked_seed(seed) + by) % (_LARGEST + 1)


def new_seed() -> int:
    """A seed that is drawn itself: what a caller who names none gets."""
    return int(integers(2**31, ()))


def generator(device: torch.device | str | None = None) -> torch.Generator | None:
    """What to hand to torch's functions as ``generator`` on this device; None for torch's own."""
    if torch.compiler.is_compiling():  # compiled programs know torch's own alone
        return None
    source = _CURRENT.get()
    if source is None:
        return None
    device = torch.get_default_device() if device is None else torch.device(device)
    return None if device.type == "meta" else source.generator(device)


def uniform(shape: Shape, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """Uniform on [0, 1)."""
    return torch.rand(tuple(shape), dtype=dtype, device=device, **_lent(device))


def normal(shape: Shape, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """Standard normal."""
    return torch.randn(tuple(shape), dtype=dtype, device=device, **_lent(device))


def integers(below: int, shape: Shape, device: torch.device | None = None) -> Tensor:
    """Whole numbers 0, ..., below - 1, all equally likely."""
    return torch.randint(below, tuple(shape), device=device, **_lent(device))


def permutation(n: int, device: torch.device | None = None) -> Tensor:
    """0, ..., n - 1 in a random order."""
    return torch.randperm(n, device=device, **_lent(device))


def choices(weights: Tensor, n: int) -> Tensor:
    """n indices of ``weights`` (K,), drawn with these probabilities, which need not add up to one."""
    return torch.multinomial(weights, n, replacement=True, **_lent(weights.device))


def dropout(x: Tensor, share: float) -> Tensor:
    """x with a random ``share`` of its entries 0 and the others enlarged, so that the mean stays.

    On the CPU the share is rounded to a multiple of 1 / 65,536, since an entry takes 16 random bits.
    """
    if not share:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        kept = torch.empty_like(x).bernoulli_(1 - share, **_lent(x.device))
        return x * kept.div_(1 - share) if share < 1 else torch.zeros_like(x)
    left_out = round(share * 65536)
    if left_out == 65536:
        return torch.zeros_like(x)
    kept = _bits(x.numel()).ge(left_out - 32768).to(x.dtype).mul_(65536 / (65536 - left_out))
    return x * kept.view(x.shape)


def _bits(n: int) -> Tensor:
    """n numbers of 16 random bits, four of which come from each draw."""
    drawn = torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None, **_lent(torch.device("cpu")))
    return drawn.view(torch.int16)[:n]


class Dropout(nn.Module):
    """:func:`dropout` while training. Torch's own layer draws from its default generator, whatever is seeded here."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.share) if self.training else x


def columns(n: int, seed: int | None, device: torch.device) -> Iterator[Tensor]:
    """Uniform columns (n,) without end, strictly inside (0, 1), for walks that need a moment's noise at a time.

    In float64, finer than any step of a staircase, and the same on every device. They are of ``seed`` alone, whatever
    their reader draws in between; None takes :func:`new_seed`.
    """
    source = Source(new_seed() if seed is None else seed)

    def drawn() -> Iterator[Tensor]:
        while True:
            with drawing_from(source):
                u = uniform((n,), torch.float64)
            yield u.clamp_(1e-16, 1 - 1e-16).to(device)

    return drawn()


class _Lending(TorchFunctionMode):
    """Hands the current generator to each call of torch that draws and names none. Modes are a thread's own."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        named = dict(kwargs or {})
        if func is F.dropout:
            return _torch_dropout(*args, **named)
        if func in _DRAWING and named.get("generator") is None:
            tensor = next((t for t in (*args, *named.values()) if isinstance(t, Tensor)), None)
            named |= _lent(named.get("device") if tensor is None else tensor.device)
        return func(*args, **named)


def _torch_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002
    return dropout(input, p) if training else input


_DRAWING = {
    *(torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal, torch.bernoulli, torch.multinomial),
    *(torch.rand_like, torch.randn_like, torch.randint_like, torch.poisson),
    *(Tensor.uniform_, Tensor.normal_, Tensor.random_, Tensor.bernoulli_, Tensor.exponential_, Tensor.geometric_),
    *(Tensor.cauchy_, Tensor.log_normal_, Tensor.bernoulli, Tensor.multinomial),
    *(f for f in vars(nn.init).values() if isfunction(f) and "generator" in signature(f).parameters),
}


def _lent(device: torch.device | None) -> dict[str, Any]:
    """The argument ``generator``, left out where there is none: exported programs know no such argument."""
    given = generator(device)
    return {} if given is None else {"generator": given}


def _default(device: torch.device) -> torch.Generator:
    return torch.cuda.default_generators[device.index] if device.type == "cuda" else torch.default_generator


def _copied(source: torch.Generator, device: torch.device) -> torch.Generator:
    copy = torch.Generator(device)
    copy.set_state(source.get_state())
    return copy


def _indexed(device: torch.device) -> torch.device:
    """With its number: "cuda" is the current one."""
    if device.type == "cuda" and device.index is None:  # pyright: ignore[reportUnnecessaryComparison]
        return torch.device("cuda", torch.cuda.current_device())
    return device
