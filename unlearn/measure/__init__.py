"""What changed: similarities, zero-shot accuracy, probes; nothing is trained here."""
