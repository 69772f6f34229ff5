from .anchored_em import AnchoredEM as AnchoredEM
from .lame import LAME as LAME
from .makers import make_adaptation_pipeline as make_adaptation_pipeline
from .makers import make_adaptation_union as make_adaptation_union
from .pipelines import AdaptationPipeline as AdaptationPipeline
from .unions import AdaptationUnion as AdaptationUnion
from .windows import WindowedClassifier as WindowedClassifier
