"""One exit code for a whole reading. Pure."""

from iqstream.lag.figures import ClusterLag
from iqstream.lag.retention import RISK_EXIT_CODES, risk
from iqstream.lag.status import EXIT_CODES

_FROM_BEST = (0, 3, 1, 2)


def exit_code(lag: ClusterLag) -> int:
    """0 OK, 1 warning, 2 error, 3 unknown: the worst of status and retention risk. An error outdoes the unknown."""
    codes = [] if lag.groups else [EXIT_CODES["UNKNOWN"]]
    for group in lag.groups:
        total = group.total
        codes += [EXIT_CODES[total.status], RISK_EXIT_CODES[risk(total.retention_share, total.expired)]]
    return max(codes, key=_FROM_BEST.index)
