"""Proposals that are adapted to a data set while it is labelled, in the background."""

from annotator.adapting.keeper import Adapting, Progress

__all__ = ["Adapting", "Progress"]
