"""The Review room: what should be looked at again, and what a third reader decides."""
