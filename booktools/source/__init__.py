"""A section as text: its blocks and cells, the book around it, the works it cites.

Nothing here knows of Jupyter or of Sphinx.
"""
