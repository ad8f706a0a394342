"""Turns sections into notebooks: splits, executes, stores, compares and merges them.

This package doesn't use Sphinx.
"""
