"""Speed against the paper's algorithm, which is written literally in `oracle_texts` and `oracle_images`."""
