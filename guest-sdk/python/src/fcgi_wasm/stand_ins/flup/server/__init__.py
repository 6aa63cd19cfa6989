"""Stands in for flup's servers while a component is built."""
