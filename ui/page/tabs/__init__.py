"""One tab of the results each."""
