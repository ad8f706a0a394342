"""Reads a section as text: blocks and cells, the book around it, the works it cites.

This package uses neither Jupyter nor Sphinx.
"""
