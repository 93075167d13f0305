"""What the page can do, without Gradio and without a model."""
