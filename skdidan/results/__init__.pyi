from .comparison import Comparison as Comparison
from .rank_plots import plot_ranks as plot_ranks
from .score_plots import plot_scores as plot_scores
