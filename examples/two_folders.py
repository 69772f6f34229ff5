"""Compare three methods on two folders of recordings, EmoDB (labelled) and CASIA (unlabelled)."""

import sys

from skdidan import (
    AnchoredEM,
    CorpusScaler,
    DANClassifier,
    DIDANClassifier,
    Functionals,
    SourceOnlyClassifier,
    SpeakerScaler,
    compare,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
)

emodb, casia = sys.argv[1:] if len(sys.argv) == 3 else sys.exit("usage: two_folders.py EMODB CASIA")
source, target = load_corpus("EmoDB", emodb), load_corpus("CASIA", casia)
task = cross_corpus_task(source, target)  # files and speakers of the shared emotions
front = Functionals(n_jobs=2), CorpusScaler(), SpeakerScaler()
methods = {
    type(c).__name__: make_adaptation_pipeline(*front, AnchoredEM(c), memory=".skdidan")
    for c in (SourceOnlyClassifier(n_networks=3), DANClassifier(n_networks=3), DIDANClassifier())
}
print(compare(methods, {"EmoDB to CASIA": task}, seeds=range(3)))
