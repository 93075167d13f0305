"""One check for a machine with a GPU: does it compute what a CPU does, how fast, in how much memory, and does a whole run forget.

`python -m tests.cuda_check --out DIR` prints a table and writes it as JSON. It asks no network and needs no published weights. Besides
torch, torchvision, transformers, safetensors, numpy and pillow it needs the wheels that `wheels` collects.
`--device cpu --small` is a rehearsal.
"""
