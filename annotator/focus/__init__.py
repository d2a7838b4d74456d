"""The Focus room: one cell looked at closely, beside the page that labels it."""
