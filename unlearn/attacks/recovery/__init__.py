"""The opponent: attacks that try to bring a forgotten person back, all scored the same way. `catalogue` lists them."""
