"""One folder per package of the product."""
