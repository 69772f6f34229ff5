from .pipelines import AdaptationPipeline as AdaptationPipeline
from .pipelines import make_adaptation_pipeline as make_adaptation_pipeline
from .windows import WindowedClassifier as WindowedClassifier
