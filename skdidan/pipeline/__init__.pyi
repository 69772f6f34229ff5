from .makers import make_adaptation_pipeline as make_adaptation_pipeline
from .pipelines import AdaptationPipeline as AdaptationPipeline
from .refinement import RefinedClassifier as RefinedClassifier
from .windows import WindowedClassifier as WindowedClassifier
