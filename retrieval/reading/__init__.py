"""Reading: files and published data sets in, decoded cells and catalogue records out."""
