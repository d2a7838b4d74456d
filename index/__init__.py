"""The atlas: catalogue, vectors and taxonomy. Imports neither torch nor Flask."""
