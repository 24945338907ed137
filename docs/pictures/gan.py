"""One flow taught by likelihood, by a critic alone, and by both: what each comes to in the plane."""

import numpy as np
import torch
from common import heat, moons, panels, save
from torch import Tensor

import fluvial

WAYS = {
    "by likelihood": ("nsf_coupling", {}),
    "by a critic alone": ("flow_gan", {"weight": 0.0}),
    "by both": ("flow_gan", {}),
}
torch.manual_seed(0)
rows, test = (moons(n)[0].numpy().astype(np.float64) for n in (5000, 5000))
figure, (left, *others) = panels(["rows", *WAYS])
left.scatter(*rows[:2000].T, s=1, color="#1f6feb", alpha=0.4)
reach = (-2.2, 2.2, -2.2, 2.2)
left.set(xlim=reach[:2], ylim=reach[2:])
for ax, (name, (model, options)) in zip(others, WAYS.items(), strict=True):
    own = {"transforms": 4, "hidden": [64, 64], **options}
    fitted = fluvial.fit(rows, model, epochs=20, options=own, progress=False)
    log_p = fitted.log_prob(test)
    print(f"{name}: {log_p.mean():.3f} +- {log_p.std() / len(log_p) ** 0.5:.3f} nats a test row")

    def density(x: Tensor, fitted: fluvial.Model = fitted) -> Tensor:
        return torch.from_numpy(fitted.log_prob(x.double().numpy()))

    heat(ax, density, reach)
    ax.set_xlabel(f"{log_p.mean():.2f} nats".replace("-", "−"), fontsize=9)
save(figure, "gan")
