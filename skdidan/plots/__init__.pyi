from .calibration import plot_calibration as plot_calibration
from .confusion import plot_confusion as plot_confusion
from .embeddings import plot_embeddings as plot_embeddings
from .history import plot_history as plot_history
from .reconstruction import plot_reconstruction as plot_reconstruction
from .spectrograms import plot_spectrograms as plot_spectrograms
