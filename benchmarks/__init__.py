"""Measures how fast this project is. See :mod:`benchmarks.__main__`."""
