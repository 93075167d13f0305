"""Who is recognised: the identity inference attack and its inputs; no fine-tuning."""
