"""The recipe of the embedded model set: a drawn world, a tiny CLIP and a tiny Stable Diffusion trained on it.

Run with `python -m assets.build`. It is needed to make the weights again, never to use them.
"""
