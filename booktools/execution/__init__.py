"""Makes notebooks of sections: splits, executes, stores, compares and merges them.

This package doesn't use Sphinx.
"""
