"""Inference: posteriors of simulators inside sbi, and of unnormalised densities by fluvial's own ``infer``."""
