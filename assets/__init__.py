"""The assets of the application; a package only so that `python -m assets.build` finds the recipe.

Knows nothing of the application: nothing in `unlearn/` or `ui/` imports from here.
"""
