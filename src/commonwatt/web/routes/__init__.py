"""The addresses of the console, by what they serve."""
