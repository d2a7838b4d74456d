"""How impure can something still be, after so many foreign cells among so many looked at."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, betaln

PRIOR = (0.5, 149.5)  # of the mixture: sharpest for shares of some thousandths


def clopper_pearson_upper(foreign: float, seen: float, confidence: float) -> float:
    """Upper bound, 0 to 1, of a share when ``foreign`` of ``seen`` were found; for one look.

    Exact one-sided interval (Clopper and Pearson, Biometrika 1934). 1 where nothing was seen.
    """
    if seen <= 0 or foreign >= seen:
        return 1.0
    return float(betaincinv(foreign + 1, seen - foreign, confidence))


def sequential_upper(foreign: float, seen: float, confidence: float) -> float:
    """Upper bound, 0 to 1, of a share that holds at every moment at once, however often asked.

    The bound is looked at after each sheet, and what it says decides what comes next; one for a
    single look would then promise too much. The likelihood ratio of a beta mixture to a share p is
    a martingale under p and exceeds 1/alpha at any time with probability at most alpha (Robbins,
    Annals of Mathematical Statistics 1970; Howard, Ramdas, McAuliffe and Sekhon, Annals of
    Statistics 2021): shares for which it does are out. One is returned where nothing was seen.
    """
    if seen <= 0:
        return 1.0
    a, b = PRIOR
    mixture = betaln(a + foreign, b + seen - foreign) - betaln(a, b)

    def excess(share: float) -> float:
        likelihood = foreign * math.log(share) + (seen - foreign) * math.log1p(-share)
        return float(mixture - likelihood + math.log1p(-confidence))

    peak = min(max(foreign / seen, 1e-9), 1 - 1e-9)
    if excess(1 - 1e-9) < 0:
        return 1.0
    return float(brentq(excess, peak, 1 - 1e-9, xtol=1e-7))


def confidence_below(foreign: float, seen: float, limit: float) -> float:
    """How sure, 0 to 1, that the share is below ``limit``: Clopper and Pearson read backwards."""
    if seen <= 0 or foreign >= seen:
        return 0.0
    return float(betainc(foreign + 1, seen - foreign, limit))
