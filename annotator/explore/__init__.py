"""Exploring an atlas: clusters, map and search. The logic; the routes are in ``explore.pages`` and
``explore.*_api``. Nothing here labels a cell: what a reader finds opens as a sheet."""
