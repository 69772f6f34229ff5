from .makers import make_adaptation_pipeline as make_adaptation_pipeline
from .makers import make_adaptation_union as make_adaptation_union
from .pipelines import AdaptationPipeline as AdaptationPipeline
from .refinement import RefinedClassifier as RefinedClassifier
from .unions import AdaptationUnion as AdaptationUnion
from .windows import WindowedClassifier as WindowedClassifier
