r"""WaveNet's gated residual layer as matrix products over shifted rows, with a backward pass written by hand.

Layout: rows are moments, the B samples of one moment side by side, (T B, channels). A causal convolution with
dilation d is then a sum of plain products of row ranges that begin d B rows apart: no copies, no padding, and the
products run at the speed of the machine, which dilated one-dimensional convolutions do not on a CPU.

tanh(u / 2) = 2 sigmoid(u) - 1, and sigmoid is several times cheaper than tanh: the filter half of the products is
read as u, so both halves take one pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fluvial.core.tracing import functional


def layer(
    h: Tensor, taps: Tensor, gate: Tensor, mix: Tensor | None, dilation: int, batch: int, last: int
) -> tuple[Tensor, Tensor]:
    r"""h' = h + y mix, with y = tanh(u / 2) sigmoid(v) and (u, v) the dilated convolution of h plus ``gate``.

    Args:
        h: (T B, C) rows.
        taps: (k, C, 2 G) weights, the oldest moment's first.
        gate: added to (u, v); broadcasts to (T', B, 2 G), T' = T - (k - 1) dilation.
        mix: (G, C), or None where nobody reads h' (the last layer): then it is empty.
        last: how many moments of y the caller reads.

    Returns:
        h' (T' B, C), and y of the last moments, (last B, G).
    """
    shift, read = dilation * batch, last * batch
    if torch.is_autocast_enabled(h.device.type):  # autocast does not look inside the functions below
        dtype = torch.get_autocast_dtype(h.device.type)
        h, taps, gate = h.to(dtype), taps.to(dtype), gate.to(dtype)
        mix = None if mix is None else mix.to(dtype)
    if functional():
        return _plain(h, taps, gate, mix, shift, batch, read)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (h, taps, gate, mix)):
        return _Layer.apply(h, taps, gate, mix, shift, batch, read)  # pyright: ignore
    _, y = _open(h, taps, gate, shift, batch)
    return _mixed(h, y, mix), y[y.shape[0] - read :]


def _open(h: Tensor, taps: Tensor, gate: Tensor, shift: int, batch: int) -> tuple[Tensor, Tensor]:
    """The sigmoids of both halves (T' B, 2 G), and y (T' B, G)."""
    oldest, *newer = taps.unbind()
    rows = h.shape[0] - len(newer) * shift
    opened = torch.mm(h[:rows], oldest)
    for i, tap in enumerate(newer, 1):
        opened.addmm_(h[i * shift : i * shift + rows], tap)
    if batch:
        opened.view(-1, batch, opened.shape[1]).add_(gate)
    filtered, gated = opened.sigmoid_().chunk(2, 1)
    return opened, torch.addcmul(gated, filtered, gated, value=-2).neg_()


def _plain(
    h: Tensor, taps: Tensor, gate: Tensor, mix: Tensor | None, shift: int, batch: int, read: int
) -> tuple[Tensor, Tensor]:
    """The same by operators that write into nothing, for torch.func and forward derivatives."""
    rows = h.shape[0] - (taps.shape[0] - 1) * shift
    opened = sum(h[i * shift : i * shift + rows] @ tap for i, tap in enumerate(taps.unbind()))
    u, v = (opened.unflatten(0, (-1, batch)) + gate).flatten(0, 1).chunk(2, 1)  # pyright: ignore
    y = torch.tanh(u / 2) * torch.sigmoid(v)
    return _mixed(h, y, mix), y[y.shape[0] - read :]


def _mixed(h: Tensor, y: Tensor, mix: Tensor | None) -> Tensor:
    return h[:0] if mix is None else torch.addmm(h[h.shape[0] - y.shape[0] :], y, mix)


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        h: Tensor,
        taps: Tensor,
        gate: Tensor,
        mix: Tensor | None,
        shift: int,
        batch: int,
        read: int,
    ) -> tuple[Tensor, Tensor]:
        opened, y = _open(h, taps, gate, shift, batch)
        ctx.save_for_backward(h, taps, mix, opened, y)
        ctx.shift, ctx.batch, ctx.read, ctx.gate = shift, batch, read, gate.shape
        return _mixed(h, y, mix), y[y.shape[0] - read :]

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, d_read: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # pyright: ignore
        h, taps, mix, opened, y = ctx.saved_tensors
        rows = y.shape[0]
        d_y = torch.zeros_like(y) if mix is None else d_out @ mix.t()
        d_y[rows - ctx.read :] += d_read
        # dy/du = (y + sigmoid v) (1 - sigmoid u), dy/dv = y (1 - sigmoid v)
        d_v = y * d_y
        d = torch.cat((torch.addcmul(d_v, opened.chunk(2, 1)[1], d_y), d_v), 1)
        d.addcmul_(d, opened, value=-1)
        starts = [i * ctx.shift for i in range(taps.shape[0])]
        d_h = torch.zeros_like(h)
        d_h[h.shape[0] - d_out.shape[0] :] = d_out
        for i, tap in zip(starts, taps.unbind()):
            d_h[i : i + rows].addmm_(d, tap.t())
        d_taps = torch.stack([h[i : i + rows].t() @ d for i in starts])
        d_gate = d.view(-1, ctx.batch, d.shape[1]).sum_to_size(ctx.gate)
        return d_h, d_taps, d_gate, None if mix is None else y.t() @ d_out, None, None, None
