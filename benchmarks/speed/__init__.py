"""Time and memory, beside dense products and other libraries."""
