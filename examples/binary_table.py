"""Exact probabilities of a table of classes: MADE on made-up answers, against columns taken as independent."""

import torch

from fluvial import models
from fluvial.training import Data, Settings, train

torch.manual_seed(0)


def answers(n: int) -> torch.Tensor:
    """A choice of three, then two answers of yes or no that depend on it, then whether those agree, mostly."""
    choice = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), n, replacement=True)
    first, second = (torch.rand(n, 2) < torch.tensor([[0.9, 0.2], [0.3, 0.3], [0.1, 0.8]])[choice]).unbind(1)
    agree = (first == second) ^ (torch.rand(n) < 0.05)
    return torch.stack((choice, first, second, agree), 1).float()


train_rows, held_out, fresh = answers(2000), answers(500), answers(2000)
density = models.made((4,), classes=(3, 2, 2, 2), hidden=(64,))
list(train(density, Data(train_rows), Data(held_out), Settings(epochs=20, learning_rate=5e-3)))

independent = sum(torch.bincount(c.long()).div(len(c)).log()[f.long()] for c, f in zip(train_rows.T, fresh.T))
with torch.no_grad():
    print(f"{-density.log_prob(fresh).mean():.3f} nats on fresh rows; independent columns: {-independent.mean():.3f}")
    every = torch.cartesian_prod(torch.arange(3.0), *3 * [torch.arange(2.0)])
    p = density.log_prob(every).exp()
    print(f"all 24 rows together: {p.sum():.6f}")
    chosen = every[:, 0] == 2
    print(f"p(first = yes | choice = 2): {p[chosen & (every[:, 1] == 1)].sum() / p[chosen].sum():.3f}, made with 0.1")
    print("three drawn rows:\n", density.sample(3).int())
