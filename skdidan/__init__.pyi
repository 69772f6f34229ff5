from . import audio as audio
from . import corpora as corpora
from . import criteria as criteria
from . import domains as domains
from . import neural as neural
from . import penalties as penalties
from . import persistence as persistence
from . import pipeline as pipeline
from . import plots as plots
from . import results as results
from . import selection as selection
from . import shallow as shallow
from .audio import *
from .corpora import *
from .domains import NoTargetWarning as NoTargetWarning
from .domains import Target as Target
from .domains import split_domains as split_domains
from .emotions import EMOTION_GROUPS as EMOTION_GROUPS
from .lazy_rows import LazyRows as LazyRows
from .metrics import uar as uar
from .metrics import war as war
from .neural import *
from .penalties import *
from .persistence import *
from .pipeline import *
from .plots import *
from .results import *
from .selection import *
from .shallow import *

__version__: str
