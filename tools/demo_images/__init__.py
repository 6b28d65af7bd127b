"""Renders the two pictures that `make demo` works on: a landscape, as if photographed, and a painting."""
