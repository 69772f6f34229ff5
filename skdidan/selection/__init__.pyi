from .model_selection import TargetScorer as TargetScorer
from .model_selection import suggest_trade_off as suggest_trade_off
from .runs import compare as compare
from .trials import CRITERIA as CRITERIA
from .trials import OracleWarning as OracleWarning
