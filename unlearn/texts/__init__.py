"""Strings only: prompts, names, captions and the trigger texts made of them; no tokenizer, no model."""
