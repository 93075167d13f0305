"""Gradio and HTTP: the widgets, their events, the endpoints and the routes."""
