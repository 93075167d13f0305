"""Lanes on other machines: Ray actors that do the jobs' work. Files travel to them and back as bytes; no CLIP, no Gradio."""
