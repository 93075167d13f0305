"""The models of a set: finding, loading, tokens, embeddings, drawing, and what a defended one is saved as; no attack, no defence."""
