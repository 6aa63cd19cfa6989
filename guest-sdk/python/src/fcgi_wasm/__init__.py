"""Packages Python web applications for fcgi-wasm.

What is at this level runs where the component is built; `guest` runs inside
the component, with nothing but the standard library of its CPython.
"""
