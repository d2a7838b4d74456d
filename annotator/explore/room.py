"""What the exploring pages of one annotator hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.explore.clusters import Clusters
from annotator.explore.examples import Examples
from annotator.explore.jobs import Jobs
from annotator.explore.maps import MapKeeper
from annotator.explore.search import Finder
from annotator.explore.spreads import Spreads

if TYPE_CHECKING:
    from annotator.desk import Desk


class Exploring:
    """Map, clusters, spreading and search of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.jobs = Jobs()
        self.maps = MapKeeper(desk, self.jobs)
        self.clusters = Clusters(desk, self.jobs)
        self.spreads = Spreads(desk, self.jobs)
        self.examples = Examples(desk)
        self.finder = Finder(desk, self.maps)
