"""The files that a component carries with it, under ordinary names.

A component made by componentize-py is a picture of the interpreter's memory:
the folders it was built from are gone when it runs. Here they come back, in
memory: `archive` is how they are stored, `tree` which names there are,
`handles` open files, `system` what makes `open`, `os` and `import` see them.
"""
