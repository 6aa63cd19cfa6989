"""Stands in for flup while a component is built."""
