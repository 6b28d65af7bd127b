"""Renders the pictures in assets/, a module for each; landscape and painting are what `make demo` works on."""
