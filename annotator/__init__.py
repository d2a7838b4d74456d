"""The annotator: label new cells with the neighbours as evidence."""
