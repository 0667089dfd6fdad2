"""Running the page for others: what is loaded in advance, what is counted, and what is logged."""
