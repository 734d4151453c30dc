"""Commands of Redis 7.0.15 that kvnode does not have, with their categories.

Rules may name them: a list of rules written for Redis (`+psync -replconf`) is accepted
as it is, and describes itself in the same words. A command that is declared has precedence.
"""

from typing import Final

ABSENT: Final = {
    b"failover": "admin slow dangerous",
    b"psync": "admin slow dangerous",
    b"replconf": "admin slow dangerous",
    b"sync": "admin slow dangerous",
}
