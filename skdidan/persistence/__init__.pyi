from .saving import load as load
from .saving import save as save
