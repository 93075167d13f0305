"""Speed against the paper's algorithm, which `oracle_texts` and `oracle_images` write literally."""
