"""Runs in the worker process; may load models."""
