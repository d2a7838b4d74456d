"""The Progress room: how far the labelling has come, how sure, and how far readers agree."""
