"""One run from beginning to end, its folder, its report, and asking it afterwards."""
