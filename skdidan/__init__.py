"""Unsupervised domain adaptation for cross-corpus speech emotion recognition."""

import lazy_loader as _lazy

__version__ = "0.1.0"

# The public names stand in __init__.pyi, for type checkers and for this line alike; a module is
# imported when one of its names is first used, so that `import skdidan` stays cheap.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
