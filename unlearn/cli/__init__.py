"""The command line: options to configs, results to tables or JSON."""
