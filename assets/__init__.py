"""The assets of the application; a package only so that `python -m assets.build` finds the recipe."""
