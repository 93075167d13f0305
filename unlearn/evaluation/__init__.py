"""A model set over everybody in it: rows that are kept, and the tables made of them."""
