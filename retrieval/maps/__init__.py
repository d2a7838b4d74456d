"""Maps: the cells of an atlas laid out so that alike ones lie close, as a PNG and as a page."""

from retrieval.maps.atlas_map import AtlasMap, map_atlas, map_file
from retrieval.maps.draw import draw_map
from retrieval.maps.groups import COLOURS, Group, Grouping, grouping
from retrieval.maps.layout import KeptMap, MapError, fit, load_map, place
from retrieval.maps.page import write_page
from retrieval.maps.sight import Sight, load_sight, sight_file

__all__ = [
    "COLOURS",
    "AtlasMap",
    "Group",
    "Grouping",
    "KeptMap",
    "MapError",
    "Sight",
    "draw_map",
    "fit",
    "grouping",
    "load_map",
    "load_sight",
    "map_atlas",
    "map_file",
    "place",
    "sight_file",
    "write_page",
]
