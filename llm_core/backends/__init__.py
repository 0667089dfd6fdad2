"""Runtimes that turn files into loaded models: one module each, all behind `base.Backend`."""
