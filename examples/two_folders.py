"""From two folders of recordings to a table of methods: EmoDB with labels, CASIA without."""

import sys

from skdidan import (
    CorpusScaler,
    DANClassifier,
    DIDANClassifier,
    Functionals,
    SourceOnlyClassifier,
    compare,
    cross_corpus_task,
    format_summary,
    load_corpus,
    make_adaptation_pipeline,
    summarise,
)

emodb, casia = sys.argv[1:] if len(sys.argv) == 3 else sys.exit("usage: two_folders.py EMODB CASIA")
source, target = load_corpus("EmoDB", emodb), load_corpus("CASIA", casia)
task = cross_corpus_task(source, target)  # files and speakers of the emotions that both know
methods = {
    type(classifier).__name__: make_adaptation_pipeline(
        Functionals(n_jobs=2), CorpusScaler(), classifier, memory=".skdidan"
    )
    for classifier in (SourceOnlyClassifier(), DANClassifier(), DIDANClassifier())
}
records = compare(methods, {"EmoDB to CASIA": task}, seeds=range(3))
print(format_summary(summarise(records)))  # recall on the target, whose labels only score
