"""The command line: options -> configs, results -> tables or JSON; the work itself is done by `runs`, `evaluation` and `bench`."""
