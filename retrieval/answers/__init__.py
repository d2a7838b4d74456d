"""Answers out of neighbours: voting, calibration, novelty, proposals, classify, query."""
