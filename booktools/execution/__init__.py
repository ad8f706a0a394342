"""A section as notebooks: split, executed, stored, compared, merged and offered.

Nothing here knows of Sphinx.
"""
