"""HTML of jobs and results; no Gradio, no model."""
