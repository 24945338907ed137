"""log p of the cells of a table under the laws of their columns, compiled: values and gradients in one pass over theta.

The formulas are those of ``transforms/laws.py``, which computes the same with torch's operators wherever this does not
apply, and second derivatives everywhere. Where a gradient is wanted, each cell's is made along with its value, from the
same exponentials, and backward multiplies it by what arrives.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fluvial.kernels import boundary, native

Formula = Callable[[Tensor], Tensor]


class Table(NamedTuple):
    """What the laws of D columns are, on the CPU: int64, and float64 from ``cells`` on."""

    starts: Tensor
    """(D + 1,), where the numbers of each column begin in theta."""
    masses: Tensor
    """(D,), atoms, the missing cell among them."""
    absent: Tensor
    """The atom that is the missing cell, or -1."""
    rest: Tensor
    """1 where other values have a mixture of logistics."""
    gridded: Tensor
    cells: Tensor
    """log of what makes the probability of a cell of the grid one per unit."""
    known: Tensor
    """log of what atoms share, the probability of unknown labels taken off."""
    others: Tensor
    """log of that."""
    components: int


class Cells(NamedTuple):
    """What there is in rows of them, (B, D) each: the atom, int64, the value, float64, and the edges of its cell."""

    atom: Tensor
    x: Tensor
    low: Tensor
    high: Tensor
    width: Tensor
    log_det: Tensor


class LawsJob(ctypes.Structure):
    """``LawsJob`` of csrc/jobs.h."""

    _fields_ = [
        *native.fields(ctypes.c_int64, "rows columns components widest theta_stride"),
        *native.fields(ctypes.c_void_p, "starts masses absent rest gridded cells known others"),
        *native.fields(ctypes.c_void_p, "atom x low high width log_det theta log_p gradient"),
    ]


def applies(theta: Tensor, cells: Sequence[Tensor]) -> bool:
    """True where the kernel may be called: plain memory on the CPU, float32 or float64, no gradient at the cells."""
    learnt = torch.is_grad_enabled() and any(t.requires_grad for t in cells)
    on_cpu = theta.device.type == "cpu" and theta.dtype in native.DTYPES
    return native.active() and native.eager() and on_cpu and not learnt


def log_prob(table: Table, cells: Cells, theta: Tensor, formula: Formula) -> Tensor:
    """log p of each cell, (B, D), nats, given theta (B, starts[D]).

    Args:
        formula: the same by torch's operators, as a function of theta: for second derivatives.
    """
    if torch.is_grad_enabled() and theta.requires_grad:
        return _LogProb.apply(theta, table, cells, formula)  # pyright: ignore
    return _run(table, cells, theta, False)[0]


def _run(table: Table, cells: Cells, theta: Tensor, gradient: bool) -> tuple[Tensor, Tensor | None]:
    """log p, and the gradient (B, starts[D]) of each with respect to its own column's numbers."""
    theta = theta if theta[:1].is_contiguous() else theta.contiguous()
    cells = Cells(*(t.contiguous() for t in cells))
    widest, dtype = _checked(table, cells, theta), theta.dtype
    log_p = theta.new_empty(cells.atom.shape)
    slopes = theta.new_empty(theta.shape) if gradient else None
    job = LawsJob(
        *(*log_p.shape, table.components, widest, theta.stride(0)),
        *map(native.address, (*table[:-1], *cells, theta, log_p, slopes)),
    )
    native.library().fluvial_laws(ctypes.byref(job), dtype == torch.float64, torch.get_num_threads())
    return log_p, slopes


def _checked(table: Table, cells: Cells, theta: Tensor) -> int:
    """The most numbers of a column; ValueError, a sentence, unless everything fits."""
    boundary.require(cells.atom.dim() == 2 and theta.dtype in native.DTYPES, "atom", "two axes", cells.atom.shape)
    (rows, columns), whole, numbers = cells.atom.shape, torch.int64, torch.float64
    of_columns = [(name, tensor, (columns,)) for name, tensor in zip(Table._fields[1:-1], table[1:-1])]
    of_cells = [(name, tensor, (rows, columns)) for name, tensor in zip(Cells._fields, cells)]
    boundary.check(whole, boundary.CPU, [("starts", table.starts, (columns + 1,)), *of_columns[:4], *of_cells[:1]])
    boundary.check(numbers, boundary.CPU, [*of_columns[4:], *of_cells[1:2]])
    sizes = [m + r * (1 + 3 * table.components) for m, r in zip(table.masses.tolist(), table.rest.tolist())]
    starts = [0, *accumulate(sizes)]
    boundary.check(
        theta.dtype,
        boundary.CPU,
        [*of_cells[2:], ("theta", theta.narrow(0, 0, min(rows, 1)), (min(rows, 1), starts[-1]))],
    )
    fits = min(sizes) > 0 and table.components > 0 and set(table.rest.tolist()) <= {0, 1}
    boundary.require(fits and starts == table.starts.tolist(), "starts", f"{starts}, by masses and components", table)
    boundary.require(len(theta) == rows, "theta", f"{rows} rows", len(theta))
    return max(sizes)


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, theta: Tensor, table: Table, cells: Cells, formula: Formula) -> Tensor:  # noqa: ANN401
        log_p, slopes = _run(table, cells, theta, True)
        ctx.save_for_backward(theta)
        ctx.slopes, ctx.formula, ctx.sizes = slopes, formula, table.starts.diff()
        return log_p

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (g,), (theta,) = grad_outputs, ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: through torch's operators, which autograd knows
            return torch.autograd.grad(ctx.formula(theta), theta, g, create_graph=True)[0], None, None, None
        return g.repeat_interleave(ctx.sizes, 1).mul_(ctx.slopes), None, None, None
