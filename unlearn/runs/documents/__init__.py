"""What is handed on of a run: the report for a data-protection officer, the answer to the person, the share card. Names are withheld
unless somebody chooses to show them. Loads no model and computes no figure but intervals and hashes of files.
"""
