"""The data sets of the paper's zero-shot measurements: their layouts on disk and on the Hub, their classes, accuracy on them.

A data set is opened (`opening`) before anything is computed, so that a folder of another layout costs no time; its pictures are read
one at a time while the accuracy is measured (`accuracy`). Messages give numbers, never the names of files or persons.
"""
