"""Unsupervised domain adaptation for cross-corpus speech emotion recognition."""

from importlib import import_module as _import_module

import lazy_loader as _lazy

__version__ = "0.1.0"

# Every public name of a wing can be imported from here. The names stand in the __init__.pyi of the
# wings, and a module is imported when one of its names is first used: `import skdidan` is cheap.
_WINGS = "audio corpora neural penalties persistence pipeline plots results".split()
_WINGS += "selection shallow".split()
_NAMES = {wing: _import_module(f"{__name__}.{wing}").__all__ for wing in _WINGS}
_NAMES |= {"domains": ["NoTargetWarning", "Target", "split_domains"], "metrics": ["uar", "war"]}
_NAMES |= {"emotions": ["EMOTION_GROUPS"], "lazy_rows": ["LazyRows"]}
__getattr__, __dir__, __all__ = _lazy.attach(__name__, [*_WINGS, "criteria", "domains"], _NAMES)
