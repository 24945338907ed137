"""A VAE of 8 x 8 digits with two latent variables: what they keep of digits that it never saw, and what is between."""

import torch
from common import digits, save, train
from matplotlib import pyplot as plt
from torch import Tensor

from fluvial.models.image_vae import image_vae

torch.manual_seed(0)
pixels, labels = digits()
x, label = torch.from_numpy(pixels).float().unsqueeze(1), torch.from_numpy(labels)
density = image_vae((1, 8, 8), latent=2, channels=(16, 32), hidden=64, transforms=2, width=(64, 64), bits=4)
density.initialize(x[297:])


def loss() -> Tensor:
    return -density.bound(x[torch.randint(297, len(x), (64,))])


train(density, loss, 2500, 3e-3)
with torch.no_grad():
    bound = torch.cat([density.log_prob(x[:297], samples=1) for _ in range(4)]).mean()
    best = density.log_prob(x[:297], samples=256).mean()
    print(f"held out: ELBO {bound:.2f}, by 256 draws {best:.2f} nats")
    kept = density.reconstruct(x[:297])
    at = torch.distributions.Normal(0, 1).icdf((torch.arange(10) + 0.5) / 10)
    plane = density.decode(torch.stack(torch.meshgrid(at, -at, indexing="xy"), -1).reshape(-1, 2))
    means = density.encode(x[297:])


def tiles(images: Tensor, rows: int, columns: int) -> Tensor:
    padded = torch.nn.functional.pad(images.reshape(rows, columns, 8, 8), (1, 1, 1, 1))
    return padded.permute(0, 2, 1, 3).reshape(10 * rows, 10 * columns)


figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.2, 3.3), layout="constrained")
chosen = torch.cat([torch.where(label[:297] == k)[0][:5] for k in range(10)])
pairs = torch.stack((x[:297][chosen].reshape(10, 5, 8, 8), kept[chosen].reshape(10, 5, 8, 8)), 2)
left.imshow(tiles(pairs.reshape(-1, 8, 8), 10, 10), cmap="gray", vmin=0, vmax=15)
left.set_title("held out, and as two numbers keep it", fontsize=9)
middle.scatter(*means.T, c=label[297:], s=3, cmap="tab10")
middle.set_title("where each digit lies", fontsize=9)
middle.set(xlim=(-3, 3), ylim=(-3, 3))
right.imshow(tiles(plane, 10, 10), cmap="gray", vmin=0, vmax=15)
right.set_title("the plane, decoded", fontsize=9)
for ax in (left, middle, right):
    ax.set(xticks=[], yticks=[])
save(figure, "vae")
