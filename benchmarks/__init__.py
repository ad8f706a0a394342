"""Speed beside the peers; see :mod:`benchmarks.__main__`."""
