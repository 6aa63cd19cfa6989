"""What an instance does first, because it is a picture of the moment of its build."""

import os
import random


def begin(environment: dict[str, str]) -> None:
    """Gives this instance random numbers of its own, and the variables that
    were set for the build unless its host sets them."""
    random.seed()
    for name, value in environment.items():
        os.environ.setdefault(name, value)
