"""How fast this project is, next to its peers. See :mod:`benchmarks.__main__`."""
