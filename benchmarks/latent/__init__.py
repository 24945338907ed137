"""Models with latent variables and models that a critic teaches, beside what is published of them."""
